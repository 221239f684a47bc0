"""The memory: what earlier runs found, how it grows, when it will be full.

The journal is a folder of daily Markdown files that supervisors write too. Everything here but `appending`, `reading`
and `vault` is pure. Sizes are integers in bytes and are never formatted here: the words arrive finished.
"""

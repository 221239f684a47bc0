"""What runs in the child process that can be killed.

Only the standard library and this folder may be imported here: the child starts in milliseconds because it loads
nothing else, and a folder of its own keeps that visible. Refuses to interpret: it sends plain figures, the parent makes
readings of them. Names travel as bytes.
"""

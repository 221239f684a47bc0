"""Fuzzers of everything that comes from outside: `python -m tests.fuzz` runs them and writes `table.md`.

Each target (`targets/`) has seeds that are real, a way to change them that knows their structure, and a judge that
says what became of a case. A find is anything that a judge does not expect: another exception than the one that the
reader promises, an answer that is wrong, a case that takes longer or more memory than it may.
"""

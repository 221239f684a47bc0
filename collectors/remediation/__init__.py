"""What would help, and the only code that does it.

`plan` is pure: a snapshot and its books in, ordered steps out. `apply` changes the machine, and only when told. Neither
reads a clock of its own for judging, and nothing here formats a size.
"""

"""Everything a person looks at interactively. Imports collectors, never their sources."""

import sys

VIEWS = (
    ("overview", "Overview"),
    ("explore", "Explore"),
    ("history", "History"),
    ("plan", "Plan"),
    ("churn", "Churn"),
    ("changes", "Changes"),
)
READING = "◌ READING"  # at the right of the first line
BEFORE_A_REPORT = " Reading the filesystem …"
TO_SECOND_SCREEN = "\x1b[?1049h\x1b[?25l"


def give_back() -> None:
    """The terminal's first screen and its cursor, where the second one was entered and nobody else leaves it."""
    if sys.__stderr__ is not None:
        sys.__stderr__.write("\x1b[?25h\x1b[?1049l")
        sys.__stderr__.flush()

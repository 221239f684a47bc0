"""Makes a string harmless in a line of Markdown that a machine will read back. The last gate, not the escaper.

Callers escape foreign strings for people (`report.words`); what slips through must still not start a line, a header, a
comment or an escape sequence.
"""

from __future__ import annotations

import unicodedata

_UNSAFE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
# What would begin a header, a fence or a rule, or make the line above a header.
_BLOCKS = ("#", "```", "~~~", "===", "---")
LONGEST = 1000


def line(text: str) -> str:
    """`text` as one printable line of at most 1,000 characters that is text in Markdown: no control, bidi or format
    character, no comment, no header."""
    clean = "".join(map(_harmless, text[: LONGEST * 2])).strip().replace("<!--", "&lt;!--").replace("-->", "--&gt;")
    if clean.startswith(_BLOCKS):
        clean = "\\" + clean
    return clean if len(clean) <= LONGEST else clean[: LONGEST - 1] + "…"


def _harmless(char: str) -> str:
    if char.isspace():  # line breaks of every kind too
        return " "
    return "\ufffd" if unicodedata.category(char) in _UNSAFE else char

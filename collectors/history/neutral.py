"""Makes a string harmless in a line of Markdown that a machine will read back. The last gate, not the escaper.

Callers escape foreign strings for people (`report.words`); what slips through must still not start a line, a header, a
comment or an escape sequence.
"""

from __future__ import annotations

import unicodedata

_SPACES = {"\n", "\r", "\t", "\v", "\f", "\x85", "\u2028", "\u2029"}
_UNSAFE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
LONGEST = 1000


def line(text: str) -> str:
    """`text` as one printable line of at most 1,000 characters: no control, bidi or format character, no comment."""
    clean = "".join(map(_harmless, text[: LONGEST * 2])).strip().replace("<!--", "&lt;!--").replace("-->", "--&gt;")
    return clean if len(clean) <= LONGEST else clean[: LONGEST - 1] + "…"


def _harmless(char: str) -> str:
    if char in _SPACES:
        return " "
    return "\ufffd" if unicodedata.category(char) in _UNSAFE else char

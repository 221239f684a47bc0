"""`python -m collectors`: the headless half, also where Textual cannot be imported."""

from __future__ import annotations

import sys

from collectors.cli import main

if __name__ == "__main__":
    sys.exit(main())

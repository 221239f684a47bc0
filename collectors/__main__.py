"""`python -m collectors`: the headless half, also where Textual cannot be imported."""

from __future__ import annotations

from collectors.cli import main
from collectors.cli.signals import end

if __name__ == "__main__":
    end(main())

"""The long-lived process of the long run: one survey for each line on stdin, answered by one line on stdout.

Looks as the dashboard does (with a report of each part) and remembers as a supervisor's run does. It measures nothing
itself: what it holds is read from outside, while it waits for the next line.
"""

from __future__ import annotations

import gc
import json
import sys

from collectors.cli.command_line import Config, parser
from collectors.cli.preflight import options
from collectors.model.settings import DEFAULTS
from collectors.pipeline import remember, survey
from collectors.report import document, text
from collectors.system import folders


def main(argv: list[str]) -> int:
    """`argv` as for `--preflight`."""
    told = options(parser("worker").parse_args(argv), Config("", DEFAULTS))
    for _ in sys.stdin:
        outcome = survey(told, lambda progress: None)
        notes = remember(outcome, told)
        page, encoded = text.render(outcome.report, si=False), json.dumps(document.encode(outcome.report))
        answer = {
            "status": outcome.report.exit_status,
            "notes": notes,
            "bytes": len(page) + len(encoded),
            "unread": [row.reason for row in outcome.report.coverage if "defect" in row.reason],
        }
        del outcome, page, encoded
        folders.settle_all()  # what only the next look makes use of is written beside the answer
        gc.collect()  # what only a collection frees is not lost
        print(json.dumps({**answer, "blocks": sys.getallocatedblocks()}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

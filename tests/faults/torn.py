"""A journal cut at every byte of its last entry: `python -m tests.faults.torn FOLDER BEGINS_AT`.

What a kill leaves behind is what one write had put there by then: a prefix. For each prefix the journal must read as it
did before, and take another entry that reads back whole. Prints how many prefixes there were; an assertion else.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collectors.journal.appending import Place, append
from collectors.journal.reading import read
from collectors.system.folders import Folder


def main(place: str, begins_at: str) -> int:
    folder = Folder(Path(place), "here", None)
    (path,) = folder.path.glob("*.md")
    both = path.read_bytes()
    now = datetime.now(UTC) + timedelta(hours=1)
    (first, second) = read(folder, now=now).records
    assert read(folder, now=now).skipped_lines == 0
    third = replace(second, at=second.at + timedelta(seconds=1))
    cuts = range(int(begins_at), len(both) + 1)
    for cut in cuts:
        path.write_bytes(both[:cut])
        found = read(folder, now=now)
        assert found.records in ((first,), (first, second)), cut
        assert found.skipped_lines <= 1, cut
        written = append(folder, third, ["after the crash"])
        assert (written.place, written.notes) == (Place.JOURNAL, ()), cut
        again = read(folder, now=now)
        # Torn right before its end, the new entry closes it: then it counts, and its checksum says that it is whole.
        assert again.records in ((*found.records, third), (first, second, third)), cut
        assert path.read_bytes().startswith(both[:cut]), cut
    print(len(cuts))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

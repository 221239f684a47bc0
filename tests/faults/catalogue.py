"""The faults that a disk inspector meets, by number. Each has to be met at the command line, with its exit status."""

from __future__ import annotations

FAULTS = {
    1: "The engine's socket is absent",
    2: "The engine's socket may not be opened (EACCES)",
    3: "The engine accepts and never replies",
    4: "dockerd is stopped (SIGSTOP)",
    5: "One byte a second, past the deadline",
    6: "Truncated JSON, an HTML page with status 500, a body of 2 GB",
    7: "Null lists, negative sizes, Size = -1, unknown fields",
    8: "API 1.24 and 1.5x",
    9: "One mount hangs (FUSE, the asking process in D state)",
    10: "Twenty runs on a mount that hangs",
    11: "The journal's filesystem is full (ENOSPC)",
    12: "btrfs with its metadata full",
    13: "EROFS, EDQUOT",
    14: "Killed at every byte of the journal",
    15: "Two runs at once",
    16: "The clock jumps a day, DST, midnight",
    17: "Missing, duplicate, reordered samples",
    18: "A journal edited by hand, binary, CRLF",
    19: "Names with ESC, OSC 52, C1, bidi, `|`, newline and `##`, backticks",
    20: "Paths of 10,000 characters and in invalid UTF-8",
    21: "Not root",
    22: "No `btrfs` binary, or another version",
    23: "BuildKit's layers; empty references",
    24: "Images made while the store is listed",
    25: "5,000 containers and more files than the deadline allows",
    26: "The dashboard: 20×5, SIGHUP, dead terminal, engine restarted",
    27: "DOCKER_HOST is another machine",
    28: "stdout closed, EPIPE, stdout full",
}

"""The user without privileges whose own engines the lab starts: known in the roots of those engines alone."""

from __future__ import annotations

USER = 64980
USER_IDS = range(900_000, 900_000 + 65_536)  # for the user's namespaces
FILES = {
    "passwd": f"lab:x:{USER}:{USER}::/nonexistent:/bin/sh\n",
    "group": f"lab:x:{USER}:\n",
    "subuid": f"lab:{USER_IDS.start}:{len(USER_IDS)}\n",
    "subgid": f"lab:{USER_IDS.start}:{len(USER_IDS)}\n",
}

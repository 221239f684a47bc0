"""What each place is expected to see of each category, as `seen.kind` names it. The tests compare; nothing else reads.

One letter a category, in the ledger's order without `unattributed`: `=` exact, `>` at least, `~` estimate, `?` unread,
`*` any of those that are read (a machine may have processes that not even root looks into: these are then bounded).
"""

from __future__ import annotations

from collectors.model.ledger import Category

CATEGORIES = tuple(category.value for category in Category if category is not Category.UNATTRIBUTED)
LETTERS = {"exact": "=*", "at least": ">*", "estimate": "~*", "unread": "?"}

# images containers logs volumes build_cache orphans docker_other snapshots deleted_pending deleted_open other metadata
EXT4 = {
    "root": "=========*==",
    "no-sys-admin": "=========*>=",  # what lies under a mount cannot be seen
    "docker-group": "~~?~~??==>>?",
    "nobody": "???????==>>?",
    "socket": "~~?~~??==???",
    "hardened": "~~?~~??==???",
    "probe": "=========>>?",
    "bind": "=========>>?",
    "sys-admin": "=========>>?",
    "device": "=========>>=",
}
BTRFS = {
    "root": "============",
    "no-sys-admin": "=======~==~=",  # the trees are read, but which subvolumes are snapshots cannot be told
    "docker-group": "~~?~~????>?=",
    "nobody": "?????????>?=",
    "socket": "~~?~~??????=",
    "hardened": "~~?~~??????=",
    "probe": "~~=~~????>?=",
    "bind": "~~=~~????>?=",
    "sys-admin": ">>>>>=>>==>=",  # the tree search sees no tree blocks, which subvolumes and small files hold
    "device": "=======~==~=",
}
BY_FILESYSTEM = {"ext4": EXT4, "btrfs": BTRFS}

"""The exact walk: every committed tree block once, straight from the devices. The only part that needs numpy,
which is loaded when a walk begins.

A tree block may belong to many subvolumes. Which ones is known for a block when it is known for all blocks that point
to it; so the walk goes down level by level, and each block is read once, however many subvolumes share it. Leaves yield
file extents; what remains is a table {set of subvolumes → bytes}, from which everything else follows.
"""

"""The machine itself, read-only: mounts, room, walks, open files, and the deadline that every reader keeps."""

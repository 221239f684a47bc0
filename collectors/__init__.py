"""Collects, accounts for and explains the disk use of a Docker host. Knows no terminal toolkit."""

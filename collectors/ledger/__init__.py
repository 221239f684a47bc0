"""Snapshot → Ledger: each physical byte charged once, and what each set of things would free. Pure."""

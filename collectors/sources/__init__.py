"""The only readers of the machine under study. Read-only; each returns a Reading and never raises."""

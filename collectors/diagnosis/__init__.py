"""What is wrong, and how bad: Snapshot and Ledger → Findings. Pure; every number that judges is in `thresholds`."""

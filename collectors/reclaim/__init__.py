"""The only code that changes the machine, and only when told: steps of a plan, each re-verified just before."""

"""Everything a person looks at interactively. Imports collectors, never their sources."""

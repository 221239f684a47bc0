"""Everything a person looks at interactively. It imports `collectors`, never `collectors.sources`."""

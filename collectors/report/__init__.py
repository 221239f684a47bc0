"""One Report, many faces: text, JSON document, metrics, vault items. Nothing here reads the machine or judges."""

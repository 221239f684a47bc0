"""How things look: spans of text that fit, bars, charts, colours. Without state."""

"""What a report becomes on screen, in values and lines: pure, no terminal toolkit."""

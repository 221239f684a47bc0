"""Stand-ins for what is on the other side of a source: engines that answer from recordings, or misbehave."""

"""When the disk will be full, what grows, what is rebuilt again and again: from journaled runs. Pure but for `view`."""

"""What screens are made of. A widget draws the state it is given and reports what was pointed at."""

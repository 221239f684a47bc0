"""What screens are made of. A widget draws the scene it is given and reports what was pointed at."""

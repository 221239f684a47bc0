"""The jury: fills of which somebody knows the right answer, and what the program says of them."""

"""What each kind of filesystem can say of its own: its bytes inside `used`, who shares what, its figures."""

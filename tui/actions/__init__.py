"""What the keys do, in layers: each adds to the application what one subject needs."""

"""A real engine on a real filesystem, for tests: see README.md and `Lab.up`."""

from tests.lab.lab import Lab
from tests.lab.truth import Planted, Sum, Truth

__all__ = ["Lab", "Planted", "Sum", "Truth"]

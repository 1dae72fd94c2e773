"""A process that ends in the midst of something, played within the tests' own."""

from __future__ import annotations


class Died(BaseException):
    """Stands for the end of the process: nothing in the engine catches it."""

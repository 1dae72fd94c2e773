"""Proof by faults: a whole fleet under kills, cuts and lies, and a count afterwards of what the outside world saw."""

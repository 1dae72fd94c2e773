"""The rules: pure functions from facts to a verdict. No I/O at decision time, no clock, no database, nothing of workers."""

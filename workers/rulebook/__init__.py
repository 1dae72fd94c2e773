"""The policy in force: which one it is, read from the database and checked, and how an approved change becomes it."""

"""Closed cases, taken out of the database month by month: into a file that proves itself, then out of the tables.

`file` is the format, `monthly` the order of things. Called by ``caseworker archive`` alone.
"""

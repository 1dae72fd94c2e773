"""The store: tables, the database handle, and named queries. The only place that knows SQL.

Queries take an open transaction, return frozen records, and say in their name what they do. Nothing here decides.
"""

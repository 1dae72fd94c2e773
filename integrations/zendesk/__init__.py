"""Zendesk, seen from here: `webhook` proves and reads what it sends us."""

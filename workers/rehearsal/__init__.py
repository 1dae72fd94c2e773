"""Rehearsal: what another policy would have said of what was decided, and whether what was decided can be reached again."""

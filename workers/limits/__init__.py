"""Limits at work: reserving what a decision uses up, in the commit that stores it; and counting for the facts of rules."""

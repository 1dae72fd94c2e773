"""The demonstration: a dozen varied events through the embedded system, decided as people would, checked against what
should have happened. Uses only what a customer, a vendor or a colleague could use from outside."""

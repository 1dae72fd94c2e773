"""Learning: keeping what people decided as examples, measuring a change against it, and running one in shadow."""

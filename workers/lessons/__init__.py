"""What was learned from people's decisions, and how it reaches a model. `workers.learning` makes and measures it."""

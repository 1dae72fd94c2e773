"""The labelled examples that ship with the local model, and how they are made from hand-written sentences."""

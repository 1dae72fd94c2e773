"""What can be done: the catalogue of action kinds, shared by agents (propose), policy (facts), inbox (forms), execute."""

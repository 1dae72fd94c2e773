"""1. Event in: the doors (`webhooks`, `events`) and the one way through them (`receive`)."""

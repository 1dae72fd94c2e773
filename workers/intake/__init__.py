"""1. Event in: the doors (`web`, with a shorter way in `shortcut`), batched commits (`batching`), and what all of them end in (`receive`)."""

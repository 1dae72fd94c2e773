"""1. Event in: the doors (`web`, with a shorter way in `shortcut`), and what all of them end in (`receive`).

What comes at the same time is committed together (`batching`); what is refused is kept (`quarantining`).
"""

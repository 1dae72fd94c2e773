"""The bill: what may still be spent before a model is asked, and what is written down of calls that came too late.

`wiring` hands both to the router, which knows no store. How much was spent is asked of `workers.store.bill`.
"""

"""Makes the sample company's past, one file a department: pure functions from a seed and a day to rows.

`generate` is the only caller. Equal seed and day give equal rows, in any process; nothing made here is dated on or after
the day itself, so that whatever is newer was done by somebody.
"""

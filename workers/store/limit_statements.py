"""The part of a flow's statement, on PostgreSQL, that uses up of limits: the counters' turns, the look whether there is room, the
totals and what is held, all hanging on the row that the statement's fence let through.

The same steps as `limits` takes one by one, in the same order: first the case, then the gate, then the counters by number. A
counter's row is held from where it is counted up until the commit. Put into the flow's statements by `flow_statements`; the
values are `spending`'s.
"""

from __future__ import annotations

from workers.store.limit_rows import GATE


def spent(source: str) -> list[str]:
    """What one action uses up of limits, once `source` has a row. Fails, and the whole statement with it, where there is no room
    (a division by zero), where the action holds something already, and where anything is left to be taken over."""
    return [
        f"""gate AS MATERIALIZED (
    SELECT pg_advisory_xact_lock_shared({GATE}) FROM {source}
)""",  # noqa: S608 - made of constants
        """counted AS (
    INSERT INTO limit_counters AS c (counter, limit_ref, times, minor, look_at)
    SELECT r.counter, r.ref, 1, r.minor, %(now)s + r.minutes * interval '1 minute'
    FROM gate, jsonb_to_recordset(%(spent)s::jsonb) AS r (counter bigint, ref text, minutes integer, minor bigint)
    ON CONFLICT (counter) DO UPDATE SET times = c.times + 1, minor = c.minor + excluded.minor
    RETURNING c.counter, c.times, c.minor
)""",
        """held_of_limits AS (
    INSERT INTO limit_holds (counter, minor, at, leaves_at, action_id)
    SELECT r.counter, r.minor / (
            coalesce(counted.times <= r.most, true) AND coalesce(counted.minor - r.minor <= r.room, true)
            AND NOT EXISTS (SELECT FROM limit_uses)
        )::integer, %(now)s, %(now)s + r.minutes * interval '1 minute', r.action
    FROM counted JOIN jsonb_to_recordset(%(spent)s::jsonb)
        AS r (counter bigint, minutes integer, minor bigint, most bigint, room bigint, action text) USING (counter)
)""",
    ]

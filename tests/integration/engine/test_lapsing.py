"""The deadline of an action comes while somebody has its case in hand: each waits for the other in one order."""

from __future__ import annotations

import threading

from tests.kit.engine import make_engine, refund
from tests.kit.patience import until
from workers.deadlines import lapse
from workers.store import actions, cases
from workers.store.database import StoreUnavailable
from workers.store.records import ActionState

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def test_a_deadline_that_comes_while_a_case_is_in_hand_is_in_nobodys_way(tmp_path, on_postgresql):
    engine = make_engine(tmp_path, url=on_postgresql)
    engine.model.drafts = [[refund()]]
    engine.event()
    engine.drain()
    action = engine.action("refund_payment")
    engine.clock.now = action.expires_at
    sent_away = []

    def expire():
        try:
            lapse(engine.system, action)
        except StoreUnavailable as error:
            sent_away.append(error)

    expiring = threading.Thread(target=expire)
    with engine.system.db.write() as tx:
        cases.lock(tx, action.case_id)
        expiring.start()
        until(lambda: tx.exec_driver_sql(_WAITING).scalar())
        # As a message that joins withdraws it, or a person takes the case over.
        withdrawn = actions.settle_open(tx, action.case_id, ActionState.STALE, "A new message came in.", engine.clock())
    expiring.join(30)

    assert withdrawn == [action.id]
    assert sent_away == []
    assert engine.action("refund_payment").state == ActionState.STALE
    engine.system.close()

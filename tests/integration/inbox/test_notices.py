"""What somebody was told of: on its page, counted in the head of every page, and through the API, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.integration.inbox.conftest import Web
from tests.kit.engine import refund, reply
from tests.kit.rules import asking
from workers import web
from workers.autonomy import watching
from workers.inbox import timeline
from workers.obligations import telling
from workers.store import notices
from workers.store.records import ActionState

LADDER = [{"after_minutes": 60, "role": "lead"}]


@pytest.fixture
def site(engine):
    made = Web(engine, web.make_app(engine.system, webhooks={}))
    yield made
    for client in made.clients:
        client.close()


@pytest.fixture
def told(site):
    """Two actions that everybody was told of, one after the other."""
    site.person("lea", groups=("lead",))
    first, second = site.drafted(refund(), reply())
    for action in (first, second):
        site.engine.clock.on(minutes=5)
        with site.engine.system.db.write() as tx:
            notices.add(
                tx, action_id=action.id, case_id=action.case_id, told={"lead": "obligation"}, now=site.engine.clock()
            )
    return first, second


def test_the_page_shows_what_is_new_first_and_looking_reads_nothing(site, told):
    client = site.signed_in("lea", groups=("lead",))

    shown = [client.get("/notices").text for _ in range(2)]

    assert all("Notices, 2 unread" in page for page in shown)
    assert f'href="/actions/{told[0].id}"' in shown[1]
    assert "a rule has lead told" in shown[1]
    assert "Notices, 2 unread" in client.get("/cases").text
    assert "Notices, " not in site.signed_in("sue", groups=("support",)).get("/notices").text


def test_one_and_then_all_are_marked_as_read(site, told):
    client, program = site.signed_in("lea"), site.with_token("read", person=site.person("lea"))
    newest = program.get("/api/v1/notices").json()["notices"][0]

    one = client.post("/notices/read", data={"notice": newest["id"]})
    after_one = program.get("/api/v1/notices").json()
    site.engine.clock.on(minutes=5)
    every = client.post("/notices/read", data={"upto": newest["at"]})

    assert (one.status_code, every.status_code) == (303, 303)
    assert [(n["action_id"], n["read"]) for n in after_one["notices"]] == [(told[1].id, True), (told[0].id, False)]
    assert after_one["unread"] == 1
    assert "Notices, " not in client.get("/").text
    assert program.get("/api/v1/notices?unread=true").json()["notices"] == []


def test_a_program_marks_for_its_person_alone(site, told):
    lea, lee = site.person("lea"), site.person("lee", groups=("lead",))
    marking, reading = site.with_token("decide", person=lea), site.with_token("read", person=lea)
    found = reading.get("/api/v1/notices").json()["notices"]

    answer = marking.post("/api/v1/notices/read", json={"ids": [n["id"] for n in found]})

    assert answer.json() == {"marked": 2, "unread": 0}
    with site.engine.system.db.read() as tx:
        who = notices.reader(tx, lee, site.engine.clock())
        # Whoever came later was not there to be told.
        assert notices.unread(tx, who) == notices.unread_of(tx, lee, site.engine.clock()) == 0
    assert marking.post("/api/v1/notices/read", json={}).status_code == 422
    assert reading.post("/api/v1/notices/read", json={"ids": ["x"]}).status_code == 403
    assert site.with_token("read").get("/api/v1/notices").status_code == 403
    assert site.anonymous().get("/api/v1/notices").status_code == 401


def test_the_count_in_the_head_is_that_of_the_list(site, told):
    lea = site.person("lea")
    system, now = site.engine.system, site.engine.clock() + timedelta(minutes=5)

    def counts():
        with system.db.read() as tx:
            return notices.unread_of(tx, lea, now), notices.unread(tx, notices.reader(tx, lea, now))

    assert counts() == (2, 2)
    with system.db.write() as tx:
        notices.mark_all_read(tx, notices.reader(tx, lea, now), now, now)
    assert counts() == (0, 0)


def test_a_rung_tells_its_group_once_and_stands_on_the_timeline(site, tmp_path):
    site.engine.system = site.engine.system.under(asking(tmp_path, approvers=[{"role": "support", "ladder": LADDER}]))
    site.app.state.system = site.engine.system
    lea, sue = site.person("lea", groups=("lead",)), site.person("sue", groups=("support",))
    action = site.drafted(refund())[0]

    for _ in range(2):
        site.engine.clock.on(minutes=60)
        site.engine.sweep()

    with site.engine.system.db.read() as tx:
        (notice,) = notices.listing(tx, notices.reader(tx, lea, site.engine.clock()))
        assert notices.unread_of(tx, sue, site.engine.clock()) == 0
        life = timeline.load(tx, action.case_id)
    assert (notice.action_id, notice.cause) == (action.id, telling.RUNG)
    assert "lead may decide it too" in telling.in_words(notice.cause, notice.role)
    assert [e.title for e in life.entries if e.kind == "passed_on"] == ["Passed on: lead may decide too"]
    assert site.engine.action("refund_payment").state == ActionState.PENDING


def test_one_group_can_be_told_two_things_of_one_action(site, told):
    lea = site.person("lea")
    with site.engine.system.db.write() as tx:
        for _ in range(2):
            notices.add(
                tx,
                action_id=told[0].id,
                case_id=told[0].case_id,
                told={"lead": watching.CAUSE},
                now=site.engine.clock(),
            )
        found = notices.listing(tx, notices.reader(tx, lea, site.engine.clock()))

    assert sorted(n.cause for n in found if n.action_id == told[0].id) == ["obligation", "taken_back"]
    assert all(telling.in_words(n.cause, n.role) for n in found)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_up_to_the_first_of_all_moments_there_is_nothing_to_mark(site, told, moment):
    client = site.signed_in("lea", groups=("lead",))

    answer = client.post("/api/v1/notices/read", json={"upto": moment})

    assert (answer.status_code, answer.json()) == (200, {"marked": 0, "unread": 2})
    assert client.post("/notices/read", data={"upto": moment}).status_code == 303

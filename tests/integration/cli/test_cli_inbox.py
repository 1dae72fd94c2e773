"""People decide from the command line under the same rules as on the page."""

from workers.store import actions
from workers.store.records import ActionState


def test_the_listing_names_what_waits_and_who_is_needed(caseworker, waiting):
    refund = waiting.action("refund_payment")

    ran = caseworker("inbox", "list")

    assert ran.status == 0
    assert refund.id in ran.out
    assert refund.sentence in ran.out


def test_the_listing_as_json_holds_each_action_with_its_case(caseworker, waiting):
    listed = caseworker("inbox", "list", "--json").json

    found = {action["id"]: action for action in listed["actions"]}
    refund = waiting.action("refund_payment")
    assert found[refund.id]["digest"] == refund.digest
    assert found[refund.id]["case"]["id"] == waiting.case().id


def test_an_action_is_shown_with_everything_that_an_approval_binds_to(caseworker, waiting):
    refund = waiting.action("refund_payment")

    ran = caseworker("inbox", "show", refund.id)

    for told in (refund.sentence, refund.digest, "ch_1", *refund.verdict["reasons"]):
        assert told in ran.out.replace("\n", " ")


def test_the_only_person_approves_what_was_shown(caseworker, waiting):
    refund = waiting.action("refund_payment")

    ran = caseworker("inbox", "approve", refund.id)

    assert ran.status == 0
    assert refund.sentence in ran.out
    after = waiting.action("refund_payment")
    assert (after.state, after.decided_by) == (ActionState.APPROVED, "person:ana@firm.example")
    with waiting.system.db.read() as tx:
        assert [d.channel for d in actions.decisions_of(tx, refund.id)] == ["cli"]


def test_another_revision_than_the_present_one_is_refused(caseworker, waiting):
    refund = waiting.action("refund_payment")

    ran = caseworker("inbox", "approve", refund.id, "--revision", str(refund.revision + 1))

    assert ran.status == 2
    assert "changed since" in ran.err
    assert waiting.action("refund_payment").state == ActionState.PENDING


def test_another_digest_than_the_present_one_is_refused(caseworker, waiting):
    refund = waiting.action("refund_payment")

    ran = caseworker("inbox", "approve", refund.id, "--digest", "0" * 64)

    assert ran.status == 2
    assert waiting.action("refund_payment").state == ActionState.PENDING


def test_an_amount_is_changed_as_people_write_it_and_judged_anew(caseworker, waiting):
    refund = waiting.action("refund_payment")

    ran = caseworker("inbox", "approve", refund.id, "--set", "amount=12.50", "--json")

    assert ran.status == 0
    assert ran.json["arguments"]["amount_minor"] == 1250
    assert ran.json["revision"] == refund.revision + 1
    assert waiting.action("refund_payment").arguments["amount_minor"] == 1250


def test_an_argument_that_is_not_there_is_named_with_those_that_are(caseworker, waiting):
    refund = waiting.action("refund_payment")

    ran = caseworker("inbox", "approve", refund.id, "--set", "amount_minor=1")

    assert ran.status == 2
    assert "charge_id, amount, currency, reason" in ran.err
    assert waiting.action("refund_payment") == refund


def test_an_amount_that_could_be_read_in_two_ways_is_refused(caseworker, waiting):
    refund = waiting.action("refund_payment")

    ran = caseworker("inbox", "approve", refund.id, "--set", "amount=1.234,5")

    assert ran.status == 2
    assert "Write the amount like" in ran.err
    assert waiting.action("refund_payment") == refund


def test_a_rejection_needs_a_reason_and_keeps_it(caseworker, waiting):
    reply = waiting.action("reply_to_customer")

    without = caseworker("inbox", "reject", reply.id)
    with_one = caseworker("inbox", "reject", reply.id, "--reason", "Too curt")

    assert (without.status, with_one.status) == (2, 0)
    after = waiting.action("reply_to_customer")
    assert (after.state, after.reason) == (ActionState.REJECTED, "Too curt")


def test_where_there_are_several_people_one_must_say_who_decides(caseworker, waiting):
    waiting.person("bo")
    refund = waiting.action("refund_payment")

    unnamed = caseworker("inbox", "approve", refund.id)
    unknown = caseworker("inbox", "approve", refund.id, "--as", "eve@firm.example")
    named = caseworker("inbox", "approve", refund.id, "--as", "BO@firm.example")

    assert unnamed.status == unknown.status == 2
    assert "ana@firm.example, bo@firm.example" in unnamed.err
    assert named.status == 0
    assert waiting.action("refund_payment").decided_by == "person:bo@firm.example"


def test_nobody_decides_here_what_they_may_not_decide_on_the_page(caseworker, engine):
    engine.person("cleo", groups=("editor",))
    engine.event()
    engine.drain()
    refund = engine.action("refund_payment")

    ran = caseworker("inbox", "approve", refund.id, "--as", "cleo@firm.example")

    assert ran.status == 2
    assert "You are in: editor" in ran.err
    assert engine.action("refund_payment").state == ActionState.PENDING


def test_a_second_decision_learns_who_was_first(caseworker, waiting):
    refund = waiting.action("refund_payment")
    caseworker("inbox", "approve", refund.id)

    again = caseworker("inbox", "reject", refund.id, "--reason", "no")

    assert again.status == 2
    assert "ana@firm.example chose “approve”" in again.err
    assert len(again.err.splitlines()) == 1


def test_an_unknown_action_is_one_clear_line(caseworker, engine):
    ran = caseworker("inbox", "show", "act_nope")

    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "There is no action 'act_nope'" in ran.err

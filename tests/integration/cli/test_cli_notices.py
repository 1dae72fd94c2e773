"""What somebody was told of is shown on the command line, and marked as read there."""

from workers.store import notices


def test_a_notice_is_shown_and_marked_as_read_once(caseworker, waiting):
    refund = waiting.action("refund_payment")
    with waiting.system.db.write() as tx:
        notices.add(tx, action_id=refund.id, case_id=refund.case_id, told={"": "outcome"}, now=refund.created_at)

    shown = caseworker("inbox", "notices", "--json").json

    assert [(n["action_id"], n["sentence"]) for n in shown] == [(refund.id, refund.sentence)]
    assert caseworker("inbox", "notices", "--mark-read").status == 0
    assert caseworker("inbox", "notices", "--unread", "--json").json == []


def test_without_a_notice_the_list_says_so(caseworker, waiting):
    assert "Nothing to tell" in caseworker("inbox", "notices").out

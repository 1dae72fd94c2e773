"""Backtests asked for on the page and by programs: checked whole, run beside the work, their reports kept."""

from __future__ import annotations

import io
import secrets
import zipfile
from datetime import datetime, timedelta, timezone

import pytest

from tests.integration.inbox.test_templates import problems
from tests.integration.rehearsal.policies import files
from tests.kit.engine import refund, reply
from workers.rehearsal import folder, jobs
from workers.store import backtests


def damaged(how: int) -> bytes:
    """An archive of which the content was written over on the way."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", how) as archive:
        archive.writestr("a.yaml", secrets.token_hex(500))
    begins = 30 + len("a.yaml") + 9 * (how == zipfile.ZIP_LZMA)
    return held.getvalue()[:begins] + b"\xff" * 200 + held.getvalue()[begins + 200 :]


def packed(named):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        for name, text in named.items():
            made.writestr(name, text)
    return held.getvalue()


def upload(client, *parts, **fields):
    given = [("files", (name, content, "application/octet-stream")) for name, content in parts]
    return client.post("/policy/backtests", data={"days": "30", **fields}, files=given or None)


def work(site):
    while jobs.work(site.engine.system):
        pass


def test_an_uploaded_policy_is_tried_and_its_report_kept(site):
    site.drafted(refund(), reply())
    client = site.signed_in()

    began = upload(client, ("rules.zip", packed({"mine/tried.yaml": files("deny")["tried.yaml"]})))
    waiting = client.get(began.headers["location"]).text
    work(site)
    report = client.get(began.headers["location"]).text

    assert began.status_code == 303
    assert "Waits for its turn" in waiting
    assert 'hx-get="/policy/backtests/bkt_' in waiting
    assert "2 of 2 would be judged differently" in report
    assert "+2 denied" in report
    for action in site.engine.actions():
        assert f'href="/actions/{action.id}/explanation"' in report
    assert problems(waiting) == problems(report) == []


def test_several_files_make_a_policy_too(site):
    text = files("deny")["tried.yaml"]
    other = text.replace("bundle: tried", "bundle: other")

    began = upload(site.signed_in(), ("tried.yaml", text.encode()), ("other.yaml", other.encode()))
    work(site)

    page = site.signed_in().get(began.headers["location"]).text
    assert "other@1 tried@1" in page


def test_every_problem_of_an_upload_is_named_and_nothing_is_kept(site):
    bad = files("deny")["tried.yaml"].replace('risk != "none"', "amont > 5").replace("version: 1", "version: one")

    answer = upload(site.signed_in(), ("tried.yaml", bad.encode()), ("notes.txt", b"hello"))
    both = upload(site.signed_in(), ("tried.yaml", bad.encode()))

    assert answer.status_code == both.status_code == 422
    assert "notes.txt: policy files end in .yaml" in answer.text
    assert "tried.yaml:" in both.text
    assert "version" in both.text
    assert problems(answer.text) == []
    with site.engine.system.db.read() as tx:
        assert backtests.listing(tx) == []


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([("a.zip", b"PK\x03\x04 not really")], "a.zip: cannot be unpacked"),
        ([("a.zip", damaged(zipfile.ZIP_DEFLATED))], "a.zip: cannot be unpacked"),
        ([("a.zip", damaged(zipfile.ZIP_LZMA))], "a.zip: cannot be unpacked"),
        ([("a.zip", damaged(zipfile.ZIP_BZIP2))], "a.zip: cannot be unpacked"),
        ([("a.zip", packed({f"{n}.yaml": "" for n in range(101)}))], "more than 100 files in it"),
        ([("a.zip", packed({f"{n}.yaml": " " * 500_000 for n in range(5)}))], "more than 2048 KB in it"),
        ([("a.yaml", b" " * 600_000)], "a.yaml: larger than 512 KB"),
        ([("a.yaml", b"\xff")], "a.yaml: not UTF-8"),
        ([("a.zip", packed({"x/a.yaml": "", "y/a.yaml": ""}))], "a.yaml: there twice"),
        ([("a.yml", b"")], "a.yml: policy files end in .yaml"),
        ([], "no policy files"),
        ([("a.zip", packed({"__MACOSX/a.yaml": "", ".hidden.yaml": ""}))], "no policy files"),
    ],
)
def test_what_is_no_bounded_folder_of_yaml_is_refused(parts, said):
    with pytest.raises(folder.Unfit, match=said):
        folder.files(parts)


def test_a_policy_that_is_kept_can_be_chosen_instead(site):
    answer = upload(site.signed_in(), hash="0" * 64)

    assert answer.status_code == 422
    assert "No policy 000000000000 is kept here." in answer.text


def test_only_leads_begin_one(site):
    client = site.signed_in("bo", groups=("support",))

    assert "can begin one" in client.get("/policy/backtests").text
    assert upload(client, ("tried.yaml", files("deny")["tried.yaml"].encode())).status_code == 403
    assert site.anonymous().get("/policy/backtests").headers["location"].startswith("/sign-in")


def test_programs_ask_for_one_and_read_its_report(site):
    site.drafted(refund(), reply())
    client = site.with_token("read", "decide", person=site.person())

    asked = client.post("/api/v1/policy/backtests", json={"files": files("deny"), "kind": "refund_payment"})
    work(site)
    found = client.get(f"/api/v1/policy/backtests/{asked.json()['id']}").json()
    listed = client.get("/api/v1/policy/backtests").json()["backtests"]

    assert (asked.status_code, asked.json()["state"], asked.json()["report"]) == (202, "waiting", None)
    assert (found["state"], found["report"]["judged"], found["report"]["after"]) == ("done", 1, {"deny": 1})
    assert [one["id"] for one in listed] == [found["id"]]
    assert client.get("/api/v1/policy/backtests/none").status_code == 404


def test_programs_hear_every_problem_and_whose_turn_it_is_not(site):
    client = site.with_token("read", "decide", person=site.person())

    unsound = client.post("/api/v1/policy/backtests", json={"files": {"a.yaml": "bundle: [", "b.txt": "x"}})
    nobody = site.with_token("read", "decide", person=site.person("bo", groups=("support",)))
    refused = nobody.post("/api/v1/policy/backtests", json={"files": files("deny")})
    for _ in range(3):
        assert client.post("/api/v1/policy/backtests", json={"files": files("deny")}).status_code == 202
    enough = client.post("/api/v1/policy/backtests", json={"files": files("deny")})

    assert unsound.status_code == 422
    assert any("b.txt" in problem for problem in unsound.json()["problems"])
    assert (refused.status_code, enough.status_code) == (403, 429)


@pytest.mark.parametrize(
    "asked",
    [{"since": "9999-12-31T23:59:59-14:00"}, {"since": "0001-01-01T00:00:00+14:00"}, {"domain": "\0"}, {"kind": "\0"}],
    ids=str,
)
def test_what_no_database_could_be_asked_for_is_refused_before_it_is_kept(site, asked):
    client = site.with_token("read", "decide", person=site.person())

    answer = client.post("/api/v1/policy/backtests", json={"files": files("deny"), **asked})

    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", *asked])
    assert client.get("/api/v1/policy/backtests").json()["backtests"] == []


def test_a_run_that_breaks_off_by_a_fault_ends_and_the_next_has_its_turn(site):
    """As one that an earlier version took: begun again each minute, it ended the thread that runs them, and never itself."""
    engine = site.engine
    site.drafted(reply())
    beyond = jobs.Window(since=datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))))
    with engine.system.db.write() as tx:
        broken, sound = (
            jobs.ask(tx, files("deny"), window, by="person:ana@firm.example", now=engine.clock())
            for window in (beyond, jobs.Window())
        )

    work(site)

    with engine.system.db.read() as tx:
        ended, other = backtests.get(tx, broken), backtests.get(tx, sound)
    assert (ended.state, other.state) == ("failed", "done")
    assert ended.error.startswith("It broke off on our side (")


def test_words_of_rules_are_not_kept_in_a_report(site):
    """A rule's message may quote a customer, whose data can be erased; a report cannot."""
    site.drafted(refund(), reply())
    with site.engine.system.db.write() as tx:
        made = jobs.ask(tx, files("deny"), jobs.Window(), by="person:ana", now=site.engine.clock())

    work(site)

    with site.engine.system.db.read() as tx:
        report = backtests.get(tx, made).report
    assert report["changes"]
    assert not any("reasons" in change for change in report["changes"])


def test_a_run_whose_process_died_is_begun_again_elsewhere(site):
    engine = site.engine
    site.drafted(reply())
    with engine.system.db.write() as tx:
        made = jobs.ask(tx, files("deny"), jobs.Window(), by="person:ana", now=engine.clock())
        left = engine.clock() - jobs.SILENT
        assert backtests.claim(tx, worker="dead:1", now=engine.clock(), silent_since=left).id == made

    assert not jobs.work(engine.system)
    engine.clock.on(seconds=61)
    assert jobs.work(engine.system)

    with engine.system.db.write() as tx:
        assert backtests.get(tx, made).state == "done"
        assert not backtests.move(tx, made, "dead:1", done=1, total=1, now=engine.clock())
        assert not backtests.finish(tx, made, "dead:1", now=engine.clock(), error="late")
        assert backtests.get(tx, made).error is None


def test_a_run_that_is_left_is_not_lost(site):
    engine = site.engine
    site.drafted(reply())
    with engine.system.db.write() as tx:
        made = jobs.ask(tx, files("deny"), jobs.Window(), by="person:ana", now=engine.clock())

    jobs.work(engine.system, go_on=lambda: False)
    with engine.system.db.read() as tx:
        assert backtests.get(tx, made).state == "waiting"
    work(site)

    with engine.system.db.read() as tx:
        assert backtests.get(tx, made).state == "done"


def test_old_reports_make_room_for_new_ones(site):
    now = site.engine.clock()
    asked = {"name": "x", "policy_hash": "x", "files": {}, "options": {}, "asked_by": "person:ana"}
    with site.engine.system.db.write() as tx:
        for place in range(backtests.KEPT + 5):
            backtests.ask(tx, **asked, now=now + timedelta(seconds=place))
            held = backtests.claim(tx, worker="me", now=now, silent_since=now)
            assert backtests.finish(tx, held.id, "me", now=now, report={"judged": 0})

        assert len(backtests.listing(tx, limit=1000)) == backtests.KEPT

"""The local model is measured on people's own texts, and unreadable files are said so."""

import pytest

TEXTS = {
    "refund": ["I want my money back", "please refund my order", "refund the torn jacket", "money back for the tent"],
    "delivery": ["where is my parcel", "the package has not come", "when does my parcel arrive", "track my delivery"],
}


@pytest.fixture
def tickets(tmp_path):
    rows = [(f"{text}, number {n}", label) for label, texts in TEXTS.items() for text in texts for n in range(8)]
    path = tmp_path / "tickets.csv"
    path.write_text("body,kind\n" + "".join(f'"{text}",{label}\n' for text, label in rows))
    return path


def test_texts_are_judged_by_a_model_that_has_not_seen_them(caseworker, tickets):
    found = caseworker("eval", "--data", str(tickets), "--text-column", "body", "--label-column", "kind", "--json").json

    assert found["tested_on"] == 64
    assert found["accuracy"] > 0.9
    assert found["coverage"][0]["coverage"] == 1


def test_people_are_told_the_same_in_tables(caseworker, tickets, tmp_path):
    test = tmp_path / "test.csv"
    test.write_text("body,kind\nplease refund this,refund\nwhere is the parcel,delivery\nrefund and parcel,refund\n")

    ran = caseworker(
        "eval", "--data", str(tickets), "--test", str(test), "--text-column", "body", "--label-column", "kind"
    )

    assert ran.status == 0
    assert "test set: trained on 64, tested on 3" in ran.out
    assert "Where it is sure enough" in ran.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--data", "nowhere.csv"), "nowhere.csv"),
        (("--data", "tickets.csv"), "has no column 'text'; it has body, kind"),
        (("--data", "tickets.csv", "--text-column", "kind", "--label-column", "kind", "--test", "empty.csv"), "empty"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_so_in_one_line(caseworker, tickets, tmp_path, arguments, said):
    (tmp_path / "empty.csv").write_text("")

    ran = caseworker("eval", *arguments)

    assert ran.status == 2
    assert said in ran.err
    assert ran.err.strip().count("\n") == 0

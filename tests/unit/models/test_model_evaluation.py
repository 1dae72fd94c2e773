"""Measuring the classifier: what is counted, and clear words about files that cannot be used."""

from __future__ import annotations

import random

import pytest

from integrations.models.evaluation import Labelled, Unreadable, evaluate, read_labelled

WORDS = {
    "late": ["parcel", "waiting", "tracking"],
    "refund": ["money", "back", "return"],
    "broken": ["torn", "zip", "crack"],
}


def rows(count=40, seed=1, noise=0.0):
    rng = random.Random(seed)
    made = []
    for label, words in WORDS.items():
        for n in range(count):
            said = label if rng.random() >= noise else rng.choice(list(WORDS))
            made.append(Labelled(f"{rng.choice(words)} {rng.choice(words)} please {n} {rng.random():.3f}", said))
    return made


def test_a_clear_case_is_measured_as_clear():
    found = evaluate(rows())

    assert found.method == "5-fold cross-validation"
    assert (found.tested_on, found.labels, found.trained_on) == (120, 3, 96)
    assert found.accuracy == 1
    assert found.macro_f1 == 1
    assert found.confusions == ()
    assert found.coverage[0].coverage == 1
    assert found.texts_per_second > 0


def test_wrong_labels_show_as_confusions_and_lower_coverage():
    found = evaluate(rows(noise=0.3))

    assert 0.5 < found.accuracy < 0.95
    assert found.confusions
    assert sum(pair.count for pair in found.confusions) == round((1 - found.accuracy) * found.tested_on)
    assert [c.coverage for c in found.coverage] == sorted((c.coverage for c in found.coverage), reverse=True)
    assert found.calibration_error < 0.2
    assert found.as_dict()["confusions"][0].keys() == {"truth", "predicted", "count"}


def test_a_test_set_is_judged_and_a_label_that_was_never_taught_is_wrong():
    told = []
    found = evaluate(
        rows(),
        [Labelled("parcel tracking", "late"), Labelled("zip torn", "unheard")],
        progress=lambda *a: told.append(a),
    )

    assert found.method == "test set"
    assert (found.tested_on, found.accuracy) == (2, 0.5)
    assert [(pair.truth, pair.predicted) for pair in found.confusions] == [("unheard", "broken")]
    assert told[-1] == ("done", 1, 1)


def test_one_part_in_five_can_be_held_out_instead():
    found = evaluate(rows(), cross_validate=False)

    assert found.method == "held-out fifth"
    assert found.tested_on == 24


def test_texts_of_one_group_are_held_out_together():
    """Thirty copies of one sentence cannot be their own proof."""
    copies = [
        Labelled(f"{word} {label} only", label, group=f"{label}{i}")
        for label in WORDS
        for i, word in enumerate("abcdef")
        for _ in range(5)
    ]
    twisted = [Labelled(row.text, row.label, row.group) for row in copies[:-30]]

    assert evaluate(copies).accuracy == 1
    assert evaluate(twisted).tested_on == len(twisted)


def test_fewer_than_two_labels_cannot_be_measured():
    with pytest.raises(ValueError, match="two different labels"):
        evaluate([Labelled("a", "x"), Labelled("b", "x")] * 5)
    with pytest.raises(ValueError, match=r"two different labels, got \['x'\]"):
        evaluate([Labelled("a", "x")])


def test_too_few_rows_to_hold_some_back_are_told_as_such():
    with pytest.raises(ValueError, match="too few rows"):
        evaluate([Labelled("a", "x"), Labelled("b", "y")])


@pytest.mark.parametrize(
    "content",
    [
        b"text,label\nhello,a\nworld,b\n",
        b"\xef\xbb\xbftext,label\r\nhello,a\r\nworld,b\r\n",
        b"text,label\rhello,a\rworld,b",
        b"label,other,text\na,1,hello\nb,2,world\n",
        b"text,label\nhello,a\n,b\nworld,b\nx,\n\n",
        b'text,label\n"hello",a\n"world",b\n',
    ],
    ids=["plain", "bom and crlf", "cr alone", "other columns", "gaps", "quoted"],
)
def test_a_csv_file_is_read_however_it_was_saved(tmp_path, content):
    path = tmp_path / "data.csv"
    path.write_bytes(content)

    assert read_labelled(path, "text", "label") == [Labelled("hello", "a"), Labelled("world", "b")]


def test_a_text_may_run_over_several_lines(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text('text,label\n"one\ntwo, three",a\n', encoding="utf-8")

    assert read_labelled(path, "text", "label") == [Labelled("one\ntwo, three", "a")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        (b"", "empty"),
        (b"text,topic\nx,y\n", "no column 'label'; it has text, topic"),
        (b"text,label\n", "no row"),
        (b"text,label\nx,\n", "no row"),
        ("text,label\nGröße,a\n".encode("latin-1"), "not UTF-8"),
        (b"text,label\n\0,a\n", "not a text file"),
        (b'text,label\n"' + b"x" * 140_000 + b'",a\n', "line"),
    ],
    ids=["missing", "empty", "column", "header only", "no labels", "latin-1", "binary", "endless field"],
)
def test_a_file_that_cannot_be_used_is_refused_with_what_to_change(tmp_path, content, says):
    path = tmp_path / "data.csv"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(Unreadable, match=says) as refused:
        read_labelled(path, "text", "label")
    assert "data.csv" in str(refused.value)

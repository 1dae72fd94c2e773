"""The local classifier: what it learns from a few lines, how sure it says it is, and that it comes back from disk the same."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.models.calibration import best_temperature, expected_error, folds, softmax
from integrations.models.classifier import Classifier
from integrations.models.grams import MAX_CHARS, Vocabulary, grams, normalise

TEXTS = [f"where is my parcel number {n}, it has not arrived" for n in range(30)]
TEXTS += [f"please give me my money back for {n}, i return it" for n in range(30)]
TEXTS += [f"the zip of item {n} is broken and torn" for n in range(30)]
LABELS = ["late"] * 30 + ["refund"] * 30 + ["damaged"] * 30


@pytest.fixture(scope="module")
def classifier():
    return Classifier.train(TEXTS, LABELS)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("parcel not arrived", "late"),
        ("WHERE IS THE PARCEL", "late"),
        ("money back please", "refund"),
        ("i want my monney bakc", "refund"),
        ("zip torn", "damaged"),
    ],
)
def test_words_in_another_order_and_misspelt_are_understood(classifier, text, label):
    assert classifier.predict([text])[0].label == label


def test_a_prediction_ranks_every_label_with_chances_that_add_up(classifier):
    guess = classifier.predict(["parcel not arrived"])[0]

    assert guess.alternatives[0] == (guess.label, guess.confidence)
    assert {label for label, _ in guess.alternatives} == {"late", "refund", "damaged"}
    assert sum(chance for _, chance in guess.alternatives) == pytest.approx(1, abs=1e-5)
    chances = [chance for _, chance in guess.alternatives]
    assert chances == sorted(chances, reverse=True)


def test_what_it_never_saw_it_is_not_sure_of(classifier):
    sure = classifier.predict(["where is my parcel, it has not arrived"])[0].confidence
    unsure = [guess.confidence for guess in classifier.predict(["", "xkcd qwzz", "日本語", "1234"])]

    assert sure > 0.9
    assert max(unsure) < sure - 0.1


def test_the_same_examples_give_the_same_classifier():
    one, other = Classifier.train(TEXTS, LABELS), Classifier.train(TEXTS, LABELS)

    assert np.array_equal(one.weights, other.weights)
    assert one.temperature == other.temperature


def test_features_are_the_same_in_every_process_and_version():
    """Saved classifiers depend on it: a change here needs a new `classifier.FORMAT`."""
    script = "import json; from integrations.models.grams import grams; g = grams(['Zip, torn 40€', ''], [['a', 'b'], []]); print(json.dumps([sorted(int(h) for h in b[1]) for b in (g.words, g.chars, g.tags)]))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    here = grams(["Zip, torn 40€", ""], [["a", "b"], []])

    assert json.loads(told.stdout) == [
        sorted(int(h) for h in block[1]) for block in (here.words, here.chars, here.tags)
    ]
    assert sum(int(h) for h in here.words[1]) % 1_000_003 == 184_717
    assert sum(int(h) for h in here.chars[1]) % 1_000_003 == 719_614
    assert sum(int(h) for h in here.tags[1]) % 1_000_003 == 358_238


def test_a_batch_answers_as_one_at_a_time_does(classifier):
    texts = ["zip torn", "", "money back " * 50, "parcel\nnot arrived", "ünïcödé 👍 parcel"]

    together = classifier.predict(texts)

    for text, guess in zip(texts, together, strict=True):
        alone = classifier.predict([text])[0]
        assert alone.label == guess.label
        assert alone.confidence == pytest.approx(guess.confidence, abs=1e-5)


def test_long_texts_are_taken_a_few_at_a_time_and_none_is_lost(classifier):
    texts = ["zip torn " * 5_000, *["money back"] * 1_500, "", "parcel not arrived " * 4_000, *["zip torn"] * 40]

    found = [guess.label for guess in classifier.predict(texts)]

    assert len(found) == len(texts)
    assert found[:2] + found[-1:] == ["damaged", "refund", "damaged"]
    assert found[1502] == "late"
    assert classifier.predict([]) == []


def test_tags_count_beside_words():
    texts = [f"message {n}" for n in range(40)]
    tags = [["angry"] if n % 2 else ["calm", "polite"] for n in range(40)]
    trained = Classifier.train(texts, ["a" if n % 2 else "c" for n in range(40)], tags=tags)

    assert [g.label for g in trained.predict(["message x", "message x"], [["angry"], ["polite", "calm"]])] == ["a", "c"]


def test_saving_and_loading_changes_nothing(classifier, tmp_path):
    path = tmp_path / "deep" / "head.npz"
    classifier.save(path)

    loaded = Classifier.load(path)

    assert loaded.labels == classifier.labels
    assert loaded.predict(TEXTS[::7]) == classifier.predict(TEXTS[::7])
    assert [file.name for file in path.parent.iterdir()] == ["head.npz"]


def test_a_damaged_file_is_refused_and_never_unpickled(classifier, tmp_path):
    path = tmp_path / "head.npz"
    classifier.save(path)
    whole = path.read_bytes()
    for content in (b"", b"no zip", whole[: len(whole) // 2], whole[:-30]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"head\.npz"):
            Classifier.load(path)
    np.savez(path, about=np.array([object()], dtype=object))
    with pytest.raises(ValueError, match="not a saved classifier"):
        Classifier.load(path)
    with pytest.raises(FileNotFoundError):
        Classifier.load(tmp_path / "none.npz")


def test_a_file_of_another_format_or_with_weights_that_do_not_fit_is_refused(classifier, tmp_path):
    path = tmp_path / "head.npz"
    classifier.save(path)
    with np.load(path) as arrays:
        parts = dict(arrays)
    np.savez(path, **{**parts, "weights": parts["weights"][:-1]})
    with pytest.raises(ValueError, match="damaged"):
        Classifier.load(path)
    about = json.dumps({"format": 0, "labels": ["a"], "temperature": 1}).encode()
    np.savez(path, **{**parts, "about": np.frombuffer(about, dtype=np.uint8)})
    with pytest.raises(ValueError, match="format 0"):
        Classifier.load(path)


@pytest.mark.parametrize(
    ("texts", "labels", "says"),
    [
        ([], [], "two different labels"),
        (["a", "b"], ["x", "x"], "two different labels"),
        (["a"], ["x", "y"], "1 texts"),
    ],
)
def test_where_there_is_nothing_to_tell_apart_training_says_so(texts, labels, says):
    with pytest.raises(ValueError, match=says):
        Classifier.train(texts, labels)


def test_two_labels_and_a_label_with_one_example_are_enough():
    two = Classifier.train(["yes please", "no thanks"] * 5, ["yes", "no"] * 5)
    rare = Classifier.train([*TEXTS, "a lawyer will write"], [*LABELS, "legal"])

    assert [guess.label for guess in two.predict(["yes please", "no thanks"])] == ["yes", "no"]
    assert rare.predict(["a lawyer will write"])[0].label == "legal"


def test_groups_are_never_split_and_labels_are_spread():
    labels = [label for label in "abc" for _ in range(20)]
    groups = [f"{label}{n // 2}" for label in "abc" for n in range(20)]

    fold = folds(labels, groups, 5)

    assert all(len({fold[i] for i in range(60) if groups[i] == group}) == 1 for group in set(groups))
    assert all(
        sum(fold[i] == part for i in range(60) if labels[i] == label) == 4 for part in range(5) for label in "abc"
    )


def test_the_temperature_makes_overconfident_scores_honest():
    """Scores that are right seven times in ten must come out near 0.7, however far apart they are."""
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 2_000)
    said = np.where(rng.random(2_000) < 0.7, truth, (truth + 1) % 3)
    scores = np.eye(3, dtype=np.float32)[said] * 5

    chances = softmax(scores, best_temperature(scores, truth))

    assert chances.max(axis=1).mean() == pytest.approx(0.7, abs=0.03)
    assert expected_error(chances.max(axis=1).tolist(), (said == truth).tolist()) < 0.03
    assert expected_error([1.0] * 10, [False] * 10) == 1.0


@settings(max_examples=50)
@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_text_has_features_that_fit_the_vocabulary(texts):
    learned = Vocabulary.learn(grams(TEXTS))
    rows = learned.rows(grams(texts))

    assert len(rows.start) == len(texts) + 1
    assert rows.start[-1] == len(rows.columns) == len(rows.values)
    assert ((rows.columns >= 0) & (rows.columns < learned.size)).all()
    assert np.isfinite(rows.values).all()


def test_addresses_and_spaces_are_no_words_of_their_own():
    assert normalise("Mail  A.B@Example.com\n or https://x.example/y?z=1 now") == "mail emailaddress or webaddress now"
    assert len(normalise("long " * 10_000)) <= MAX_CHARS


def test_one_text_takes_a_few_milliseconds_and_thousands_fit_in_a_second(classifier):
    """Generous against a busy machine; `benchmarks/triage.py` measures the real figures."""
    classifier.predict(TEXTS)
    began = time.process_time()
    for text in TEXTS:
        classifier.predict([text])
    single = (time.process_time() - began) / len(TEXTS)
    began = time.process_time()
    classifier.predict(TEXTS * 20)
    batch = (time.process_time() - began) / (len(TEXTS) * 20)

    assert single < 0.01
    assert batch < 0.001

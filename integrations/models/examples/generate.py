"""Writes the labelled examples that ship with the local model, from the sentences in `seeds/`. By hand, after editing those:

    python -m integrations.models.examples.generate

The sentences are hand-written; this fills in names and numbers, puts tones, greetings and typing errors around them, and
notes for each label, in `groups`, from which sentence it comes, so that cross-validation never has one sentence on both sides.
The same seeds give the same files. Nothing imports this at run time.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

HERE: Final = Path(__file__).parent
SEED: Final = 20_261_120
LANGUAGES: Final = ("en", "de", "es", "fr", "it", "nl")
Example = dict[str, Any]

#: How often a neutral sentence is repeated with each kind of addition.
WITH_TONE: Final = 0.45
WITH_HURRY: Final = 0.25
WITH_FRAME: Final = 0.15
WITH_TYPO: Final = 0.12


def main() -> None:
    for name, examples in (("support", support()), ("transactions", transactions()), ("content", content())):
        (HERE / f"{name}.jsonl").write_text("\n".join(lines(examples)) + "\n", encoding="utf-8")


def lines(examples: Iterable[Example]) -> list[str]:
    """One line of JSON each, with the sentences that labels come from as numbers."""
    number: dict[str, int] = {}
    written = []
    for example in examples:
        groups = [number.setdefault(group, len(number)) for group in example["groups"]]
        written.append(json.dumps({**example, "groups": groups}, ensure_ascii=False, separators=(",", ":")))
    return written


def support() -> Iterator[Example]:
    rng = random.Random(SEED)  # noqa: S311 - reproducible, nothing secret
    tones = _seeds("support_tones")
    for file in ("support_money", "support_parcels", "support_people", "support_more"):
        for intent, seeds in _seeds(file).items():
            usual = _parts(seeds["usual"])
            for language in LANGUAGES:
                for line in seeds.get(language, ()):
                    text, *labels = _parts(line)
                    labels += usual[len(labels) :]
                    yield from _support(rng, tones, intent, language, line, text, labels)


def _support(
    rng: random.Random,
    tones: Mapping[str, Any],
    intent: str,
    language: str,
    group: str,
    seed: str,
    labels: Sequence[str],
) -> Iterator[Example]:
    sentiment, urgency = labels

    def example(text: str, feeling: str, haste: str, groups: Sequence[str]) -> Example:
        filled = _fill(rng, f"{text}", tones["fill"])
        if rng.random() < WITH_TYPO:
            filled = _mistype(rng, filled)
        return {"text": filled, "intent": intent, "sentiment": feeling, "urgency": haste, "groups": list(groups)}

    def framed(text: str) -> str:
        if rng.random() < 0.5:
            text = f"{rng.choice(tones['openings'][language])},{rng.choice((' ', chr(10)))}{text}"
        return f"{text}{rng.choice((' ', chr(10)))}{rng.choice(tones['closings'][language])}"

    yield example(seed, sentiment, urgency, (group, group, group))
    if rng.random() < WITH_FRAME:
        yield example(framed(seed), sentiment, urgency, (group, group, group))
    # A tone decides the sentiment only where the matter leaves it open; praise and threats keep their own.
    if sentiment in {"neutral", "negative"} and rng.random() < WITH_TONE:
        feeling = rng.choice(("very_negative", "negative") if sentiment == "negative" else tuple(tones["tones"]))
        tone = rng.choice(tones["tones"][feeling][language])
        text = f"{tone} {seed}" if rng.random() < 0.3 else f"{_stopped(seed)} {tone}"
        haste = "high" if feeling == "very_negative" and urgency in {"low", "normal"} else urgency
        yield example(text, feeling, haste, (group, f"tone {tone}", group))
    if urgency in {"low", "normal", "high"} and rng.random() < WITH_HURRY:
        haste = rng.choice([name for name in tones["hurries"] if name != urgency])
        hurry = rng.choice(tones["hurries"][haste][language])
        yield example(f"{_stopped(seed)} {hurry}", sentiment, haste, (group, group, f"hurry {hurry}"))


def transactions() -> Iterator[Example]:
    rng = random.Random(SEED)  # noqa: S311 - reproducible, nothing secret
    seeds = _seeds("transactions")
    fill = seeds.pop("fill")
    for typology, kind in seeds.items():
        for place, line in enumerate(kind["lines"]):
            rules, text, *level = _parts(line)
            group = f"{typology} {place}"
            labels = {"typology": typology, "review_level": level[0] if level else kind["usual"], "groups": [group] * 2}
            yield {"text": _fill(rng, f"{text}\nRules: {rules}", fill), **labels}
            yield {"text": _fill(rng, f"Charge flagged: {text}", fill), **labels}
            yield {"text": _fill(rng, f"Charge flagged by {rules}\n{text}\nRules: {rules}", fill), **labels}


def content() -> Iterator[Example]:
    rng = random.Random(SEED)  # noqa: S311 - reproducible, nothing secret
    seeds = _seeds("content")
    fill = seeds.pop("fill")
    for kind, lines in seeds.items():
        for place, line in enumerate(lines):
            intent, text = _parts(line)
            group = f"{kind} {place}"
            labels = {"request_type": kind, "search_intent": intent, "groups": [group] * 2}
            for _ in range(3):
                yield {"text": _fill(rng, text, fill), **labels}


def _seeds(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((HERE / "seeds" / f"{name}.yaml").read_text(encoding="utf-8"))
    return loaded


def _parts(line: str) -> list[str]:
    return [part.strip() for part in line.split(" | ")]


def _stopped(text: str) -> str:
    return text if text[-1] in ".!?" else f"{text}."


def _fill(rng: random.Random, text: str, fill: Mapping[str, Sequence[str]]) -> str:
    filled = re.sub(r"\{(\w+)\}", lambda match: rng.choice(fill[match[1]]), text)
    return filled[0].upper() + filled[1:] if text[0] == "{" else filled


def _mistype(rng: random.Random, text: str) -> str:
    """One slip of the finger: two letters swapped, one doubled or lost, or no capitals at all."""
    words = [(match.start(), match.end()) for match in re.finditer(r"[^\W\d_]{4,}", text)]
    if not words or rng.random() < 0.25:
        return text.lower()
    start, end = rng.choice(words)
    at = rng.randrange(start + 1, end - 1)
    return text[:at] + rng.choice((text[at + 1] + text[at], text[at] * 2 + text[at + 1], text[at + 1])) + text[at + 2 :]


if __name__ == "__main__":
    main()

"""A YAML file as plain data, with the line of every node, for `loader`.

A small YAML: mappings with plain keys, lists, text, whole numbers, decimals, ``true``, ``false``, ``null``. What the
wider language would quietly turn into something else is text here (``no``, ``1_000``, dates) or refused (duplicate keys,
anchors, tags, several documents), because a rule must mean what a reader sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from policies.errors import Problem

Path = tuple[str | int, ...]

# The C parser crashes the process on some 100,000 levels when it builds the tree itself; its events are safe to count.
MAX_DEPTH = 20

_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"[-+]?[0-9]{1,18}\.[0-9]{1,18}")


class _Refused(Exception):
    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """`data` as written, and where each part of it is."""

    file: str
    data: Any
    lines: dict[Path, int]

    def problem(self, path: Path, message: str) -> Problem:
        """`path` may go deeper than the document does, as for a key that is missing: the nearest line is given."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        return Problem(self.file, self.lines.get(known, 1), shown(path), message)


def parse(file: str, text: str) -> Document | Problem:
    """Read one document. A file that cannot be read at all is one problem."""
    lines: dict[Path, int] = {}
    try:
        data = _document(yaml.parse(text, Loader=yaml.CSafeLoader), lines)
    except _Refused as refused:
        return Problem(file, refused.line, "", str(refused))
    except yaml.MarkedYAMLError as broken:
        line = broken.problem_mark.line + 1 if broken.problem_mark else 1
        return Problem(file, line, "", f"not YAML: {broken.problem or broken.context or 'cannot be read'}")
    except yaml.YAMLError as broken:
        return Problem(file, 1, "", f"not YAML: {' '.join(str(broken).split())}")
    return Document(file, data, lines)


def shown(path: Path) -> str:
    """``("rules", 3, "when")`` as ``rules[3].when``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _document(events: Iterator[yaml.Event], lines: dict[Path, int]) -> Any:
    data: Any = None
    documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _Refused("one document a file: put this one into a file of its own", _line(event))
            data = _node(next(events), events, (), lines)
    return data


def _node(event: yaml.Event, events: Iterator[yaml.Event], path: Path, lines: dict[Path, int]) -> Any:
    lines.setdefault(path, _line(event))
    if len(path) > MAX_DEPTH:
        raise _Refused(f"nested deeper than {MAX_DEPTH} levels", _line(event))
    if getattr(event, "anchor", None) is not None:
        raise _Refused("anchors and aliases are refused: write it out", _line(event))
    if (tag := getattr(event, "tag", None)) is not None:
        raise _Refused(f"tags such as {tag!r} are refused", _line(event))
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event)
    if isinstance(event, yaml.SequenceStartEvent):
        return list(_items(events, path, lines))
    return _mapping(events, path, lines)


def _items(events: Iterator[yaml.Event], path: Path, lines: dict[Path, int]) -> Iterator[Any]:
    for index, event in enumerate(events):
        if isinstance(event, yaml.SequenceEndEvent):
            return
        yield _node(event, events, (*path, index), lines)


def _mapping(events: Iterator[yaml.Event], path: Path, lines: dict[Path, int]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for event in events:
        if isinstance(event, yaml.MappingEndEvent):
            break
        key = _node(event, events, (*path, "?"), {})
        if not isinstance(key, str):
            raise _Refused(f"the key {key!r} is not text: quote it", _line(event))
        if key in made:
            raise _Refused(f"the key {key!r} is there twice", _line(event))
        # A value's own line can be the one after its key: the key is where an editor should go.
        lines[(*path, key)] = _line(event)
        made[key] = _node(next(events), events, (*path, key), lines)
    return made


def _scalar(event: yaml.ScalarEvent) -> Any:
    text: str = event.value
    if event.style:  # quoted or a block: text, whatever it looks like
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1

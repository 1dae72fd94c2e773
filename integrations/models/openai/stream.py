"""A streamed completion put together again: the same that would have come in one piece.

`client` feeds it the chunks of one answer. Text grows, calls grow by their index, lists are joined; fields that nobody here
has heard of are treated alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class Assembly:
    """One answer as it comes."""

    def __init__(self) -> None:
        self.model = ""
        self.usage: Any = None
        self.finish_reason: str | None = None
        self._message: dict[str, Any] = {}
        #: by their index, and under one index in the order in which they came
        self._calls: list[tuple[int, dict[str, Any]]] = []
        self._newest: dict[int, dict[str, Any]] = {}
        #: nobody waits for the rest any more
        self.late = False

    @property
    def whole(self) -> bool:
        return self.finish_reason is not None

    @property
    def begun(self) -> bool:
        return bool(self._message or self._calls or self.usage)

    def take(self, chunk: Mapping[str, Any]) -> None:
        """Raise `ValueError` for what is no chunk."""
        self.model = chunk.get("model") or self.model
        # The counts come in a last chunk of their own, or grow with each.
        self.usage = chunk.get("usage") or self.usage
        try:
            for choice in chunk.get("choices") or ():
                if choice.get("index", 0) == 0:
                    self._grow(choice.get("delta") or {})
                    self.finish_reason = choice.get("finish_reason") or self.finish_reason
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("a chunk that fits nowhere") from error

    def completion(self) -> dict[str, Any]:
        message = dict(self._message)
        if self._calls:
            message["tool_calls"] = [call for _, call in sorted(self._calls, key=lambda one: one[0])]
        choice = {"message": message, "finish_reason": self.finish_reason}
        return {"model": self.model, "usage": self.usage, "choices": [choice]}

    def _grow(self, delta: Mapping[str, Any]) -> None:
        for name, value in delta.items():
            if name == "tool_calls":
                for number, call in enumerate(value or ()):
                    # Some give no index, and some a text.
                    index = str(call.get("index"))
                    self._grow_call(int(index) if index.isdecimal() else number, call)
            elif name != "role":
                _add(self._message, name, value)

    def _grow_call(self, index: int, part: Mapping[str, Any]) -> None:
        call = self._newest.get(index)
        if call is None or _begins_another(call, part):
            call = self._newest[index] = {"type": "function", "function": {"name": "", "arguments": ""}}
            self._calls.append((index, call))
        for name, value in part.items():
            if name == "function":
                self._grow_function(call["function"], value or {})
            elif name == "id":
                call["id"] = value or call.get("id")
            elif name not in ("index", "type"):
                _add(call, name, value)

    def _grow_function(self, function: dict[str, Any], part: Mapping[str, Any]) -> None:
        for name, value in part.items():
            # Some repeat the name in every chunk.
            if name != "name" or value != function["name"]:
                _add(function, name, value)


def _begins_another(call: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
    """Some send every call whole and under one index: then an id of its own and a name tell it from the one before."""
    function = part.get("function") or {}
    if not (function.get("name") and function.get("arguments")) or part.get("id") in (None, "", call.get("id")):
        return False
    try:
        json.loads(call["function"]["arguments"])
    except (ValueError, RecursionError):
        return False
    return True


def _add(whole: dict[str, Any], name: str, more: Any) -> None:
    if more is None:
        return
    had = whole.get(name)
    if isinstance(more, str) and isinstance(had, str):
        whole[name] = had + more
    elif isinstance(more, list) and isinstance(had, list):
        whole[name] = [*had, *more]
    else:
        whole[name] = more

"""A streamed answer put together again: the same message that would have come in one piece.

`client` feeds it the events of one answer. It keeps what it does not know: blocks begin as they are sent, and each delta is
added where it belongs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class Assembly:
    """One answer as it comes. Raises `ValueError` for events that no answer consists of."""

    def __init__(self) -> None:
        self.message: dict[str, Any] | None = None
        self.whole = False
        #: nobody waits for the rest any more
        self.late = False
        self._inputs: dict[int, str] = {}

    def take(self, event: Mapping[str, Any]) -> None:
        kind = event.get("type")
        try:
            if kind == "message_start":
                self.message = {**event["message"], "content": []}
            elif kind == "content_block_start":
                self._blocks().append(dict(event["content_block"]))
            elif kind == "content_block_delta":
                self._grow(event["index"], event["delta"])
            elif kind == "content_block_stop":
                self._close(event["index"])
            elif kind == "message_delta":
                self._end(event)
            elif kind == "message_stop":
                self.whole = self.message is not None
        except (AttributeError, KeyError, IndexError, TypeError) as error:
            raise ValueError(f"an event of type {kind!r} that fits nowhere") from error

    def _blocks(self) -> list[dict[str, Any]]:
        if self.message is None:
            raise ValueError("a block before its message")
        blocks: list[dict[str, Any]] = self.message["content"]
        return blocks

    def _grow(self, index: int, delta: Mapping[str, Any]) -> None:
        block = self._blocks()[index]
        kind = str(delta.get("type"))
        if kind == "input_json_delta":
            self._inputs[index] = self._inputs.get(index, "") + delta["partial_json"]
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta["citation"]]
        else:
            for name, value in delta.items():
                if isinstance(value, str) and name != "type":
                    block[name] = (block.get(name) or "") + value

    def _close(self, index: int) -> None:
        written = self._inputs.pop(index, "")
        if written:
            try:
                self._blocks()[index]["input"] = json.loads(written)
            except (ValueError, RecursionError):
                # Cut off, or not JSON: the call is told back as one whose arguments cannot be read.
                self._blocks()[index]["input"] = written

    def _end(self, event: Mapping[str, Any]) -> None:
        """Counts are totals: they take the place of those at the beginning, which stay where none are given."""
        if self.message is None:
            raise ValueError("an end before its message")
        told = {name: count for name, count in (event.get("usage") or {}).items() if count is not None}
        self.message["usage"] = {**self.message["usage"], **told}
        self.message.update({name: value for name, value in event["delta"].items() if value is not None})

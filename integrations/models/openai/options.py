"""How a service that speaks OpenAI's API is asked, as the settings say it, and what it turned out to take.

Services differ in what they know of the API, and say so by refusing the request. `Dialect` learns from that once for all
later requests; `client` asks it how to put the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self, cast, get_args

Structured = Literal["json_schema", "json_object", "prompt"]

#: from what holds the model to the form to what only asks for it
_LEVELS: Final[tuple[Structured, ...]] = get_args(Structured)

#: words by which a refusal names the form of the answer
_OF_THE_FORM: Final = ("response_format", "json_schema", "json_object", "json mode", "structured output", "guided")

#: words of a refusal that does not know a field; a value that is too large is another matter
_UNKNOWN: Final = (
    "unsupported",
    "not support",
    "unknown",
    "unrecogni",
    "not permitted",
    "extra",
    "unexpected",
    "use '",
)

_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"", "0", "false", "no", "off"})

#: words of a refusal by a model, or a server, that has no tools
_WITHOUT_TOOLS: Final = ("not support", "unsupported", "enable-auto-tool-choice", "not enabled")


@dataclass(frozen=True, slots=True)
class Options:
    """`structured` is None for finding out; `stream` takes answers as they are written."""

    structured: Structured | None = None
    stream: bool = False

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Raise `ValueError` for what cannot be read."""
        structured = env.get("OPENAI_STRUCTURED", "").strip().lower() or "auto"
        if structured != "auto" and structured not in _LEVELS:
            raise ValueError(f"OPENAI_STRUCTURED is {structured!r}; it can be auto, {', '.join(_LEVELS)}.")
        said = env.get("OPENAI_STREAM", "").strip().lower()
        if said not in _YES | _NO:
            raise ValueError(f"OPENAI_STREAM is {said!r}; it can be true or false.")
        return cls(None if structured == "auto" else cast(Structured, structured), said in _YES)


class Dialect:
    """What one service takes. Threads share it: each change is one assignment, and only ever goes one way."""

    def __init__(self, options: Options, *, own: bool) -> None:
        """`own` is OpenAI's own service, which refuses the older name for the room."""
        self._fixed = options.structured is not None
        first = options.structured or _LEVELS[0]
        # Some take a form, and tools, but not both at once.
        self._structured: dict[bool, Structured] = {False: first, True: first}
        self._renamed = False
        self.room = "max_completion_tokens" if own else "max_tokens"
        self.counts_in_streams = True
        self.tools = True

    def structured(self, *, calling: bool) -> Structured:
        return self._structured[calling]

    def learn(self, said: str, sent: Mapping[str, object], *, calling: bool) -> bool:
        """Whether the refusal says how to ask otherwise, as `sent` did not."""
        said = said.lower()
        if "stream_options" in said and "stream_options" in sent:
            self.counts_in_streams = False
            return True
        if any(words in said for words in _OF_THE_FORM) and not self._fixed:
            return self._step_down(sent, calling=calling)
        if "tools" in sent and "tool" in said and any(words in said for words in _WITHOUT_TOOLS):
            self.tools = False
            return True
        room = next((name for name in ("max_completion_tokens", "max_tokens") if name in sent), "")
        if room and room in said and any(words in said for words in _UNKNOWN):
            return self._rename(room)
        return False

    def _step_down(self, sent: Mapping[str, object], *, calling: bool) -> bool:
        form = sent.get("response_format")
        asked = cast(Structured, form["type"]) if isinstance(form, dict) else "prompt"
        if asked == _LEVELS[-1]:
            return False
        lower = _LEVELS[_LEVELS.index(asked) + 1]
        # Another thread may have learnt more in the meantime.
        if _LEVELS.index(lower) > _LEVELS.index(self._structured[calling]):
            self._structured[calling] = lower
        return True

    def _rename(self, refused: str) -> bool:
        other = "max_tokens" if refused == "max_completion_tokens" else "max_completion_tokens"
        if self.room == other:
            return True
        if self._renamed:
            return False
        self._renamed = True
        self.room = other
        return True

"""A model that never sees what the rules keep back: around a provider whose service is elsewhere, innermost of all wrappers.

Values are replaced on the way out and put back on the way in: in the answer before it is checked against its type, so that an
address fits where an address is asked for, and in the arguments of calls. A local model needs none of this: nothing leaves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, ClassVar, Final, TypeVar, cast

from pydantic import BaseModel, create_model, model_validator
from pydantic_core import to_json

from integrations.errors import IntegrationError
from integrations.models.base import Embedder, Model, ModelAnswer, ModelRequest, T, ToolUse, Unanswered
from integrations.models.redaction.finding import blotted
from integrations.models.redaction.rules import Redaction
from integrations.models.redaction.session import Session, sources_of

#: always told, so that the stable part of a prompt stays the same
NOTE: Final = """
Some values were replaced before you got this: [email-4821] stands for one address, [phone-1234] for one number, and so on. The same
placeholder is always the same value, [email-4821b] another spelling of it. Write placeholders exactly as they stand, brackets
included, wherever the value itself belongs, also in arguments. Never make one up, and do not speak about them.
""".strip()

#: how values of reversible kinds look, to find the fields of a schema that would take them and not their placeholders
_LIKENESSES: Final = ("ana@example.com", "+4930123456", "DE89370400440532013000", "+49 30 123456")
_PLACEHOLDER: Final = "[email-4821]"
_MOST_TOLD: Final = 5


class StaysHere(Unanswered):
    """The data are of a class that may not leave for a model elsewhere. The local model or a person must take the case."""


A = TypeVar("A")

_open: ContextVar[Session | None] = ContextVar("redaction_session", default=None)


class Redacting:
    """Speaks `Model`. Safe to share between threads."""

    def __init__(self, inner: Model, rules: Redaction) -> None:
        self._inner = inner
        self._rules = rules

    @property
    def provider(self) -> str:
        return self._inner.provider

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def uses_tools(self) -> bool:
        return self._inner.uses_tools

    def answer(self, request: ModelRequest[T]) -> ModelAnswer[T]:
        """As the inner model does. Raises `StaysHere` where nothing may leave."""
        session, told = self._told(request)
        return self._finished(request, session, self._asked(session, told, self._inner.answer))

    def turn(self, request: ModelRequest[T]) -> ModelAnswer[T] | ToolUse:
        """As the inner model does. Raises `StaysHere` where nothing may leave."""
        session, told = self._told(request)
        said: ModelAnswer[T] | ToolUse = self._asked(session, told, self._inner.turn)
        if isinstance(said, ModelAnswer):
            return self._finished(request, session, said)
        calls = tuple(replace(call, arguments=session.back(call.arguments)) for call in said.calls)
        text = session.back(said.text)
        return replace(said, calls=calls, text=text, remarks=(*said.remarks, *_remarks(session)))

    def _told(self, request: ModelRequest[T]) -> tuple[Session, ModelRequest[T]]:
        classes = _classes(self._rules, request)
        if not self._rules.may_leave(classes):
            kept = ", ".join(sorted(classes))
            raise StaysHere(f"Data of this case ({kept}) may not leave for {self.provider}: see docs/privacy.md.")
        session = Session(self._rules, request, classes)
        material, turns = session.told()
        output, tools = request.output, request.tools
        if session.ledger.reversible:
            output = _restoring(output)
            tools = tuple(replace(tool, arguments=_restoring(tool.arguments)) for tool in tools)
        return session, request.put(
            material=material, instructions=_noted(request.instructions), output=output, tools=tools, turns=turns
        )

    def _asked(self, session: Session, told: ModelRequest[T], ask: Callable[[ModelRequest[T]], A]) -> A:
        token = _open.set(session)
        try:
            return ask(told)
        except IntegrationError as error:
            # Its words go onto the case, into the audit log and into the log.
            error.args = (session.unquoted(str(error)), *error.args[1:])
            raise
        finally:
            _open.reset(token)

    def _finished(self, request: ModelRequest[T], session: Session, answer: ModelAnswer[T]) -> ModelAnswer[T]:
        output = answer.output
        if not session.ledger.reversible:
            if session.ledger.may_stand_in(to_json(output).decode()):
                session.back(output.model_dump())
        elif type(output) is not request.output:
            # What was checked is of a type of ours; what is handed on is of the type that was asked for.
            output = request.output.model_construct(output.model_fields_set, **dict(output))
        remarks = _remarks(session)
        if output is answer.output and not remarks:
            return answer
        return replace(answer, output=output, remarks=(*answer.remarks, *remarks))


class Classifying:
    """A model whose requests say of which classes their data are, for whoever chooses by it. Around the router."""

    def __init__(self, inner: Model, rules: Redaction) -> None:
        self._inner = inner
        self._rules = rules

    @property
    def provider(self) -> str:
        return self._inner.provider

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def uses_tools(self) -> bool:
        return self._inner.uses_tools

    def answer(self, request: ModelRequest[T]) -> ModelAnswer[T]:
        return self._inner.answer(self._classified(request))

    def turn(self, request: ModelRequest[T]) -> ModelAnswer[T] | ToolUse:
        return self._inner.turn(self._classified(request))

    def __getattr__(self, name: str) -> Any:
        """What the model can do besides, under its own name."""
        return getattr(self._inner, name)

    def _classified(self, request: ModelRequest[T]) -> ModelRequest[T]:
        return request.put(about=request.about.of(_classes(self._rules, request)))


class RedactingEmbedder:
    """Speaks `Embedder`. What is found becomes the name of its kind: vectors are compared over cases, and never put back."""

    def __init__(self, inner: Embedder, rules: Redaction) -> None:
        self._inner = inner
        self._rules = rules

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def dimensions(self) -> int:
        return self._inner.dimensions

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return self._inner.embed([blotted(text, self._rules.everything) for text in texts])


def _classes(rules: Redaction, request: ModelRequest[Any]) -> frozenset[str]:
    """Of the case's source, and of the systems that its facts came from."""
    return request.about.data_classes | rules.classes(dict.fromkeys(sources_of(request)) or ("",))


def _remarks(session: Session) -> tuple[str, ...]:
    invented = list(dict.fromkeys(session.invented))
    if not invented:
        return ()
    return (f"The model wrote placeholders that stand for nothing: {', '.join(invented[:_MOST_TOLD])}.",)


@lru_cache(maxsize=256)
def _noted(instructions: str) -> str:
    return f"{instructions}\n\n{NOTE}"


def _put_back(data: Any) -> Any:
    session = _open.get()
    return data if session is None else session.back(data)


@cache
def _restoring(output: type[T]) -> type[T]:
    """The same type to everybody, with placeholders put back before anything is checked."""
    made = create_model(
        output.__name__,
        __base__=(_Told, output),
        __validators__={"put_back": cast("Any", model_validator(mode="before")(_put_back))},
    )
    made.__doc__ = output.__doc__
    cast("Any", made).asked_for = output
    return cast("type[T]", made)


class _Told(BaseModel):
    """What a model is told of such a type: all that it was told anyway, but for patterns that no placeholder fits."""

    asked_for: ClassVar[type[BaseModel]]

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **how: Any) -> Any:
        """Of the type itself where there is nothing to put back, which its text tells at once."""
        session = _open.get()
        if session is None or not isinstance(json_data, str) or session.ledger.may_stand_in(json_data):
            return super().model_validate_json(json_data, **how)
        return cls.asked_for.model_validate_json(json_data, **how)

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        schema = super().model_json_schema(*args, **kwargs)
        _loosen(schema)
        return schema


def _loosen(node: Any) -> None:
    if isinstance(node, dict):
        pattern = node.get("pattern")
        if isinstance(pattern, str) and not re.search(pattern, _PLACEHOLDER):
            if any(re.search(pattern, likeness) for likeness in _LIKENESSES):
                del node["pattern"]
        elif node.get("type") == "string" and node.get("format") in ("email", "idn-email"):
            del node["format"]
        for item in node.values():
            _loosen(item)
    elif isinstance(node, list):
        for item in node:
            _loosen(item)

"""Which model does which task, as data: `models.yaml`, read and checked as a whole before anything is served.

The registry loads it and makes the `Router` of it. Every problem is told with its place in the file, all at once. A model's
name stands in the file or in the environment, never here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from integrations.errors import Permanent
from integrations.models.base import About, ModelRequest

SHIPPED: Final = Path(__file__).parent / "models.yaml"

RoutedTask = Literal["triage", "extract", "plan", "draft", "judge", "summarise", "embed"]
TASKS: Final[tuple[str, ...]] = get_args(RoutedTask)

_REFERENCE: Final = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
_STRICT: Final = ConfigDict(extra="forbid", frozen=True)


class RoutingError(Permanent):
    """The routing file cannot be used. `problems` are lines ``place: what is wrong``."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        many = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{path} has {many}: " + "; ".join(problems))


def _listed(value: Any) -> Any:
    """One word stands for a list of one."""
    return [value] if isinstance(value, str) else value


Words = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_listed), Field(min_length=1)]
Usd = Annotated[Decimal, BeforeValidator(lambda value: str(value) if isinstance(value, float) else value), Field(ge=0)]


class DataClasses(BaseModel):
    """`in`: it holds one of these; `not_in`: none of these; `only`: it is known, and holds nothing else."""

    model_config = _STRICT

    holds: Words | None = Field(default=None, alias="in")
    not_in: Words | None = None
    only: Words | None = None

    def hold(self, found: frozenset[str]) -> bool:
        return (
            (self.holds is None or not found.isdisjoint(self.holds))
            and (self.not_in is None or found.isdisjoint(self.not_in))
            and (self.only is None or (bool(found) and found.issubset(self.only)))
        )


class When(BaseModel):
    """Conditions, all of which must hold. One that is left out always holds."""

    model_config = _STRICT

    domain: Words | None = None
    source: Words | None = None
    language: Words | None = None
    tier: Words | None = None
    urgent: bool | None = None
    min_chars: int | None = Field(default=None, ge=0)
    max_chars: int | None = Field(default=None, ge=1)
    budget_left_usd_at_least: Usd | None = None
    data_class: DataClasses | None = None

    @model_validator(mode="after")
    def _can_hold(self) -> Self:
        if self.min_chars is not None and self.max_chars is not None and self.min_chars > self.max_chars:
            raise ValueError("min_chars is above max_chars, so this never holds")
        return self

    @property
    def asks_for_size(self) -> bool:
        return self.min_chars is not None or self.max_chars is not None

    def holds(self, domain: str, about: About, size: Callable[[], int]) -> bool:
        """All but the budget, which the router knows. `size` counts the material's characters, when it is asked."""
        if self.domain is not None and domain not in self.domain:
            return False
        if self.source is not None and about.source not in self.source:
            return False
        if self.language is not None and not _speaks(about.language, self.language):
            return False
        if self.tier is not None and about.tier.casefold() not in (tier.casefold() for tier in self.tier):
            return False
        if self.urgent is not None and about.urgent is not self.urgent:
            return False
        if self.data_class is not None and not self.data_class.hold(about.data_classes):
            return False
        return not self.asks_for_size or (self.min_chars or 0) <= size() <= (self.max_chars or size())

    def told(self) -> str:
        """In words, for lists of routes."""
        return ", ".join(
            f"{name} {_words(value)}"
            for name, value in self.model_dump(by_alias=True, exclude_none=True, mode="python").items()
        )


def _speaks(language: str, wanted: Sequence[str]) -> bool:
    """Models write tags in other case, or with a low line; and a tag with a region is one of its language."""
    tag = language.strip().replace("_", "-").casefold() or "und"
    return any(tag == word or tag.startswith(f"{word}-") for word in (w.replace("_", "-").casefold() for w in wanted))


class Route(BaseModel):
    """One model that may do a task.

    `hedge_after`: for an urgent case, after so many seconds without an answer, somebody else is asked as well.
    `last_resort`: only where the others cannot be had, not where they merely ask for patience. `free`: costs nothing
    here, so it serves also when a budget is used up.
    """

    model_config = _STRICT

    provider: str
    model: str | None = Field(default=None, min_length=1)
    when: When = Field(default_factory=When)
    timeout: float | None = Field(default=None, gt=0)
    hedge_after: float | None = Field(default=None, gt=0)
    on_refusal: Literal["person", "next"] = "person"
    last_resort: bool = False
    free: bool = False

    @field_validator("model")
    @classmethod
    def _named_or_referred(cls, model: str | None) -> str | None:
        if model is not None and "$" in model and not _REFERENCE.fullmatch(model):
            raise ValueError("a name, or ${VARIABLE} alone")
        return model

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.hedge_after is not None and self.timeout is not None and self.hedge_after >= self.timeout:
            raise ValueError("hedge_after is not below timeout, so nobody else would ever be asked")
        return self

    def variable(self) -> str | None:
        """The environment's variable that names the model, if one does."""
        found = _REFERENCE.fullmatch(self.model or "")
        return found[1] if found else None

    def named(self, env: Mapping[str, str]) -> str | None:
        """The model's name; None where the provider's own setting decides. Ask `variable` first whether it is set."""
        variable = self.variable()
        return env.get(variable) if variable is not None else self.model


class Routing(BaseModel):
    """The file."""

    model_config = _STRICT

    version: Literal[1]
    tasks: dict[RoutedTask, tuple[Route, ...]]


def load(path: Path, *, providers: Collection[str]) -> Routing:
    """Read and check the file. Raise `RoutingError` with everything that is wrong in it."""
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_OneOfEach)  # noqa: S506 - a SafeLoader, stricter
    except OSError as error:
        raise RoutingError(path, [f"it cannot be read ({error.strerror}); see CASEWORKER_MODELS_FILE"]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RoutingError(path, [" ".join(str(error).split())]) from error
    # What pydantic finds and what is found here are told together: a file is mended once.
    problems = list(_strangers(raw, providers))
    try:
        routing = Routing.model_validate(raw)
    except ValidationError as error:
        problems += [f"{_place(found['loc'])}: {_wrong(dict(found))}" for found in error.errors(include_url=False)]
        raise RoutingError(path, sorted(problems)) from error
    problems += _unreachable(routing)
    if problems:
        raise RoutingError(path, sorted(problems))
    return routing


def size_of(request: ModelRequest[Any]) -> int:
    """Characters of the material as JSON, about four to a token."""
    return sum(len(json.dumps(piece.data, ensure_ascii=False, default=str)) for piece in request.material)


class _OneOfEach(yaml.SafeLoader):
    """Refuses a key that stands twice: the second would silently replace the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} stands here twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def _strangers(raw: Any, providers: Collection[str]) -> Sequence[str]:
    """Providers that nobody knows. Whatever has not even the right shape is pydantic's to tell."""
    tasks = raw.get("tasks") if isinstance(raw, dict) else None
    return [
        f"tasks.{task}[{place}].provider: unknown provider {route['provider']!r}; known are {', '.join(sorted(providers))}"
        for task, routes in (tasks.items() if isinstance(tasks, dict) else ())
        for place, route in enumerate(routes if isinstance(routes, list) else ())
        if isinstance(route, dict) and isinstance(route.get("provider"), str) and route["provider"] not in providers
    ]


def _unreachable(routing: Routing) -> Sequence[str]:
    """A route that stands twice would be asked twice, the second time for nothing."""
    return [
        f"tasks.{task}[{place}]: the same provider and model, on the same conditions, as tasks.{task}[{before}]"
        for task, routes in routing.tasks.items()
        for place, route in enumerate(routes)
        for before, other in enumerate(routes[:place])
        if (route.provider, route.model, route.when) == (other.provider, other.model, other.when)
    ]


def _place(loc: Sequence[int | str]) -> str:
    text = ""
    for part in loc:
        if part == "[key]":
            continue
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the file"


def _wrong(found: Mapping[str, Any]) -> str:
    last = found["loc"][-1] if found["loc"] else ""
    if found["type"] == "extra_forbidden":
        among = When if "when" in found["loc"][:-1] else Route
        if "data_class" in found["loc"][:-1]:
            return "unknown; known are in, not_in, only"
        known = ("version", "tasks") if len(found["loc"]) == 1 else tuple(among.model_fields)
        return f"unknown {'condition' if among is When else 'word'}; known are {', '.join(known)}"
    if last == "[key]":
        return f"unknown task; known are {', '.join(TASKS)}"
    return str(found["msg"]).removeprefix("Value error, ")


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return " and ".join(f"{name} {_words(item)}" for name, item in value.items())
    if isinstance(value, tuple | list):
        return " or ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)

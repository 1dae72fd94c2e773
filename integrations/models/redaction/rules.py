"""What must be replaced before text leaves, and what may not leave at all: read once from ``privacy.yaml`` and the settings.

`registry` makes one `Redaction` for a process and puts it around each remote model; `workers` asks it for the classes of a case's
data. It knows sources by name only.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from integrations.errors import Permanent
from integrations.kept_secret import kept_secret
from integrations.models.redaction import finding
from integrations.models.redaction.finding import Wanted
from integrations.models.redaction.lettered import own_pattern

#: the class of sources that nothing is said of
OTHERS: Final = "*"
_MOST_FIELDS: Final = 4096

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}$")]


class Named(NamedTuple):
    """A field by its name: what it holds, whether its name is one (else it is a text like any), and whether it says nothing of a
    person although it is part of an address."""

    hint: str
    plain_name: bool
    says_nothing: bool


class RulesError(Permanent, ValueError):
    """The settings or the file of data classes make no sense. The message says which and why."""


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Class(_Shape):
    redact: frozenset[str] = frozenset()
    local_only: bool = False


class _File(_Shape):
    sources: dict[str, tuple[_Name, ...]] = Field(default_factory=dict)
    classes: dict[_Name, _Class] = Field(default_factory=dict)
    final: frozenset[str] = frozenset()
    fields: dict[str, frozenset[str]] = Field(default_factory=dict)
    identifiers: frozenset[str] = frozenset()
    plain_fields: frozenset[str] = frozenset()
    plain_material: frozenset[str] = frozenset()
    patterns: dict[_Name, str] = Field(default_factory=dict)
    at_home: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Redaction:
    """The rules of an installation. Safe to share between threads."""

    key: bytes
    rules: _File

    @classmethod
    def from_settings(cls, key: bytes, *, data_classes: str = "", file: Path | None = None) -> Redaction:
        """`data_classes` as in ``zendesk=personal,stripe=personal+payment`` come before those of `file`, and these before the
        shipped ones. Raise `RulesError`, which names the settings that they come from."""
        given = {"CASEWORKER_DATA_CLASSES": data_classes, "CASEWORKER_PRIVACY_FILE": file}
        see = "; see " + " and ".join(name for name, value in given.items() if value)
        try:
            return cls(key, cls._rules(data_classes, file))
        except OSError as error:
            raise RulesError(f"the file of data classes cannot be read: {error.strerror}: {file}{see}") from error
        except ValueError as error:
            raise RulesError(f"{error}{see}") from error

    @staticmethod
    def _rules(data_classes: str, file: Path | None) -> _File:
        shipped = files("integrations.models.redaction").joinpath("privacy.yaml").read_text(encoding="utf-8")
        found = _read(shipped, "privacy.yaml")
        if file is not None:
            found = _over(found, _read(file.read_text(encoding="utf-8"), file.name))
        if data_classes.strip():
            found = found.model_copy(update={"sources": {**found.sources, **_sources(data_classes)}})
        _check(found)
        return found

    def classes(self, sources: Iterable[str]) -> frozenset[str]:
        """The classes of data that come from these sources, for `About.data_classes`."""
        return self._classes(frozenset(sources))

    def known(self, source: str) -> bool:
        return source in self.rules.sources

    def may_leave(self, classes: Iterable[str]) -> bool:
        """Whether data of these classes may be sent to a model elsewhere. A class that nobody explained stays here."""
        every = self.rules.classes
        return all(name in every and not every[name].local_only for name in classes)

    def keeps(self) -> bool:
        """Whether data of some source may not leave at all: then nothing may that no longer knows where it came from."""
        return not all(self.may_leave(self._of(source)) for source in self.rules.sources)

    def wanted(self, classes: frozenset[str]) -> Wanted:
        """What is looked for in data of these classes, all taken together."""
        return self._wanted(classes)

    @cached_property
    def everything(self) -> Wanted:
        """All that any class asks for."""
        return self._wanted(frozenset(self.rules.classes))

    def hint(self, name: str) -> str:
        """What a field of this name holds: a kind, `finding.IDENTIFIER`, or nothing that is known."""
        return self.field(name).hint

    def field(self, name: str) -> Named:
        """All that the rules say of a field of this name."""
        known = self._fields.get(name)
        if known is None:
            if len(self._fields) >= _MOST_FIELDS:
                # Names that somebody makes up: those in use are soon there again.
                self._fields.clear()
            known = self._fields[name] = Named(self._hint(name), name.isidentifier(), name in self.rules.plain_fields)
        return known

    def at_home(self, provider: str) -> bool:
        """Whether this provider's service runs in the house, so that nothing leaves."""
        return provider in self.rules.at_home

    @property
    def final(self) -> frozenset[str]:
        return self.rules.final

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Every kind that a placeholder can be of."""
        return tuple(sorted({*finding.KINDS, *self.rules.patterns}))

    def _of(self, source: str) -> tuple[str, ...]:
        return self.rules.sources.get(source) or self.rules.sources[OTHERS]

    @cached_property
    def _classes(self) -> Callable[[frozenset[str]], frozenset[str]]:
        @lru_cache(maxsize=256)
        def classes(sources: frozenset[str]) -> frozenset[str]:
            return frozenset(name for source in sources for name in self._of(source))

        return classes

    @cached_property
    def _wanted(self) -> Callable[[frozenset[str]], Wanted]:
        patterns = {name: own_pattern(template) for name, template in self.rules.patterns.items()}

        @lru_cache(maxsize=256)
        def wanted(classes: frozenset[str]) -> Wanted:
            kinds = frozenset(
                kind for name in classes if name in self.rules.classes for kind in self.rules.classes[name].redact
            )
            return Wanted(kinds, {name: pattern for name, pattern in patterns.items() if name in kinds})

        return wanted

    @cached_property
    def plain(self) -> dict[tuple[int, frozenset[str]], tuple[Any, frozenset[int]]]:
        """Material of the house itself, by its identity and the kinds that were looked for, with the numbers in it. `session` keeps
        them here."""
        return {}

    @cached_property
    def _fields(self) -> dict[str, Named]:
        return {}

    @cached_property
    def _hint(self) -> Callable[[str], str]:
        by_name = {name: kind for kind, names in self.rules.fields.items() for name in names}
        by_name |= dict.fromkeys(self.rules.identifiers, finding.IDENTIFIER)

        def hint(name: str) -> str:
            parts = name.casefold().replace("-", "_").split("_")
            for at in range(len(parts)):
                known = by_name.get("_".join(parts[at:]))
                if known is not None:
                    return known
            return ""

        return hint


def kept_key(data: Path) -> bytes:
    """The key of this data folder, made at first use: where no secret key is set, it makes placeholders hard to guess."""
    return kept_secret(data / "redaction_key", lambda: secrets.token_hex(32)).encode()


def _read(text: str, name: str) -> _File:
    try:
        return _File.model_validate(yaml.safe_load(text) or {})
    except yaml.YAMLError as error:
        raise ValueError(f"{name} is no YAML: {' '.join(str(error).split())[:200]}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False)[:5])
        raise ValueError(f"{name} has another shape than docs/privacy.md says: {wrong}") from error


def _over(below: _File, above: _File) -> _File:
    """Entries of `above` come first; what it does not name stays."""
    changes: dict[str, Any] = {}
    for name in above.model_fields_set:
        value, base = getattr(above, name), getattr(below, name)
        changes[name] = {**base, **value} if isinstance(value, dict) else value
    return below.model_copy(update=changes)


def _sources(text: str) -> Mapping[str, tuple[str, ...]]:
    found = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        source, sign, classes = part.partition("=")
        named = tuple(name.strip() for name in classes.split("+") if name.strip())
        if not sign or not source.strip() or not named:
            raise ValueError(f"{part!r} is no data class: write it as zendesk=personal or stripe=personal+payment")
        found[source.strip()] = named
    return found


def _check(found: _File) -> None:
    """Every name that is used is explained."""
    for source, classes in found.sources.items():
        unknown = [name for name in classes if name not in found.classes]
        if unknown:
            raise ValueError(
                f"the source {source!r} has the data class {unknown[0]!r}; there are {', '.join(sorted(found.classes))}"
            )
    if OTHERS not in found.sources:
        raise ValueError(f"say which classes the data of other sources are of ({OTHERS!r})")
    kinds = {*finding.KINDS, *found.patterns}
    used = {
        **{kind: f"class {name!r}" for name, one in found.classes.items() for kind in one.redact},
        **dict.fromkeys(found.final, "final"),
        **dict.fromkeys(found.fields, "fields"),
    }
    for kind, where in used.items():
        if kind not in kinds:
            raise ValueError(f"{where} names the kind {kind!r}; there are {', '.join(sorted(kinds))}")
    for name, template in found.patterns.items():
        if name in finding.KINDS:
            raise ValueError(f"the pattern {name!r} is called like a kind that there is")
        own_pattern(template)

"""What an agent is: declarations of how a domain's cases are classified, what is looked up, and what may be proposed.

The pipeline asks an `Agent` for model requests and readings; it runs them, journals the answers and stays in charge.
Agents know no store, queue or vendor. What they propose are data: kind, arguments, rationale, citations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, Literal, get_origin

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from integrations.base import Record
from integrations.models.base import Material, ModelRequest
from workers.actions.catalogue import CATALOGUE
from workers.agents.inquiry import EventView, FactView, Inquiry, Readers
from workers.agents.library import house, macros, prompt
from workers.agents.tools import ASK, MORE, Lookup

__all__ = [
    "Agent",
    "Draft",
    "EventView",
    "FactView",
    "Inquiry",
    "Proposal",
    "Readers",
    "Share",
    "Source",
    "Triage",
    "computed",
    "draft_type",
]

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Triage(BaseModel):
    """Fields that every domain's triage has. `confidence` is per field, 0 to 1; `abstain` means: let a person look."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    summary: str = Field(max_length=600)
    language: str = Field(description="ISO 639-1 code, 'und' when unsure")
    risk_flags: list[str] = Field(default_factory=list, max_length=20)
    confidence: dict[str, Share]
    abstain: bool = False

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """What a model is told: a confidence for each field that has a closed list, by name.

        An open mapping would reach it as an object without properties: structured output knows no other.
        """
        told = handler(schema)
        own = handler.resolve_ref_schema(told)
        judged = [name for name, field in cls.model_fields.items() if get_origin(field.annotation) is Literal]
        own["properties"]["confidence"] = {
            "type": "object",
            "description": "How sure you are of each field, 0 to 1",
            "properties": {name: {"type": "number", "minimum": 0, "maximum": 1} for name in judged},
            "required": judged,
            "additionalProperties": False,
        }
        return told


class Proposal(BaseModel):
    """One action that the agent would take. Arguments are checked against the catalogue by the pipeline."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    arguments: dict[str, Any]
    rationale: str = Field(max_length=2000)
    citations: list[str] = Field(default_factory=list, max_length=40)
    confidence: Share


class Draft(BaseModel):
    """What the agent makes of a case: a summary for people and the actions that it proposes, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    summary: str = Field(max_length=2000)
    actions: list[Proposal] = Field(max_length=10)
    unsure: str | None = Field(default=None, max_length=1000)


@dataclass(frozen=True, slots=True)
class Source:
    """One thing to look up: `read` gives records (none is an answer too), or None where the system has no such reader.

    `many` says that prompts and macros see a list. `needed` sources that give nothing are told to the policy as missing.
    """

    name: str
    read: Callable[[Inquiry], Sequence[Record] | None]
    many: bool = False
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Agent:
    """A domain's declarations. The prompt is ``prompts/<domain>.md``, the macros ``macros/<domain>.yaml``.

    `primary` is the triage field whose confidence decides whether the agent understood what a case is about: the first that
    has a closed list. `tools` are what it may look up by itself where the model can ask for it, `consults` whom
    it may ask: a domain, or a colleague of a desk in a role (``content/writer``, see ``prompts/roles.md``). `keeps` names
    sources and kinds of records that no answer to another domain hands on, also where it rests on them.
    """

    domain: str
    triage: type[Triage]
    primary: str
    sources: tuple[Source, ...]
    kinds: tuple[str, ...]
    tools: tuple[Lookup, ...] = ()
    consults: tuple[str, ...] = ()
    keeps: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in CATALOGUE]
        if unknown:
            raise ValueError(f"agent {self.domain!r} proposes kinds that the catalogue lacks: {', '.join(unknown)}")
        # The policy knows facts of sources by name (``customer``, ``signals``): a look-up must not pass for one.
        names = [source.name for source in self.sources] + [tool.name for tool in self.tools] + [MORE, ASK]
        if len(set(names)) < len(names):
            raise ValueError(
                f"agent {self.domain!r} has two sources or look-ups of one name, or one called {MORE!r} or {ASK!r}"
            )

    def ask_triage(self, events: Sequence[EventView]) -> ModelRequest[Triage]:
        return ModelRequest(
            domain=self.domain,
            task="triage",
            instructions=prompt(self.domain, "triage"),
            material=(_events_as_material(events),),
            output=self.triage,
            max_output_tokens=1024,
        )

    def ask_draft(
        self,
        events: Sequence[EventView],
        triage: Mapping[str, Any],
        facts: Sequence[FactView],
        instruction: str | None,
        earlier: Sequence[Mapping[str, Any]],
    ) -> ModelRequest[Draft]:
        """`instruction` is a reviewer's request for changes; `earlier` lists what was done or refused in this case."""
        material = [_events_as_material(events), Material("triage", "triage", trusted=False, data=dict(triage))]
        for source in self.sources:
            of_source = [fact for fact in facts if fact.name == source.name]
            if source.many:
                data: Any = [{**fact.data, "ref": fact.ref} for fact in of_source]
                ref = source.name
            elif of_source:
                data, ref = dict(of_source[0].data), of_source[0].ref
            else:
                continue
            material.append(Material(ref, source.name, trusted=all(fact.trusted for fact in of_source), data=data))
        for name in (*(tool.name for tool in self.tools), ASK):
            # Looked up in an earlier round of this case; what this round looks up, the model has in its turns.
            seen = [fact for fact in facts if fact.name == name]
            if seen:
                told = [{**fact.data, "ref": fact.ref} for fact in seen]
                material.append(Material(name, name, all(fact.trusted for fact in seen), told))
        material.append(Material("house", "house", trusted=True, data=house()))
        if instruction:
            material.append(Material("reviewer", "reviewer", trusted=True, data={"instruction": instruction}))
        if earlier:
            material.append(Material("history", "history", trusted=False, data=[dict(item) for item in earlier]))
        return ModelRequest(
            domain=self.domain,
            task="draft",
            instructions=prompt(self.domain, "draft"),
            material=tuple(material),
            output=draft_type(self.kinds),
            macros=macros(self.domain),
        )


@cache
def draft_type(kinds: tuple[str, ...]) -> type[Draft]:
    """`Draft` with each kind's argument schema spelled out, so that a model is told exactly what it may propose."""
    variants: list[Any] = []
    for kind in kinds:
        fields: dict[str, Any] = {"kind": (Literal[kind], ...), "arguments": (CATALOGUE[kind].arguments, ...)}
        variants.append(create_model(f"{kind}_proposal", __base__=Proposal, **fields))
    one_of: Any = reduce(or_, variants)
    if len(variants) > 1:
        # Told apart by kind, so that what is wrong with one proposal is not reported against every kind.
        one_of = Annotated[one_of, Field(discriminator="kind")]
    actions: dict[str, Any] = {"actions": (list[one_of], Field(max_length=10))}
    return create_model("Draft", __base__=Draft, **actions)


def computed(
    name: str, about: str, title: str, data: Mapping[str, Any], *, trusted: bool, kind: str = "computed"
) -> Record:
    """Evidence that an agent worked out from what was gathered. It is trusted only if everything in it came from records."""
    return Record(f"computed:{name}:{about}", kind, title, data, version="", trusted=trusted)


def _events_as_material(events: Sequence[EventView]) -> Material:
    """The newest event, with what came before it as its thread."""
    newest = events[-1]
    thread = [{"type": event.type, "text": event.data.get("text", "")} for event in events[:-1]]
    return Material("event", "event", trusted=False, data={**newest.data, "type": newest.type, "thread": thread})

"""What must happen with an action besides the yes: said by rules, kept with the verdict, met by whoever carries it out.

An obligation that cannot be met makes the verdict `deny`; nothing is done without it. Each kind has its own model, so that
a bundle cannot ask for something that nobody understands.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Role = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Minutes = Annotated[int, Field(ge=1, le=60 * 24 * 30)]


class _Obligation(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Delay(_Obligation):
    """Wait so long after the last yes; until then a person can still stop it."""

    kind: Literal["delay"] = "delay"
    minutes: Minutes


class Cap(_Obligation):
    """At most so much money, in minor units of one currency. More, or another currency, is an unmet obligation."""

    kind: Literal["cap"] = "cap"
    amount_minor: Annotated[int, Field(ge=1, lt=2**63)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class Mask(_Obligation):
    """Replace what is of these classes in the text that leaves."""

    kind: Literal["mask"] = "mask"
    what: Annotated[
        tuple[Literal["card", "iban", "national_id", "phone", "email"], ...], Field(min_length=1, strict=False)
    ]


class Disclose(_Obligation):
    """Say this at the end of the text that leaves."""

    kind: Literal["disclose"] = "disclose"
    text: Annotated[str, Field(min_length=1, max_length=500)]


class Sample(_Obligation):
    """So many per cent of what would run by itself are looked at by people all the same, drawn by the fact `draw`."""

    kind: Literal["sample"] = "sample"
    percent: Annotated[float, Field(gt=0, le=100)]
    role: Role | None = None


class Notify(_Obligation):
    """Tell a group once it is done."""

    kind: Literal["notify"] = "notify"
    role: Role


Obligation = Annotated[Delay | Cap | Mask | Disclose | Sample | Notify, Field(discriminator="kind")]

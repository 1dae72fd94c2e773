"""A finding as policy files: one rule, a waiver for each rule that stands in its way, a limit, and tests for all of it.

Pure. Everything that was earned in a domain lies in one bundle of its own, `earned-<domain>`, on the layer agent; no file that
people wrote is touched. A waiver holds under the rule's own condition, runs out, and holds no more once the rule's permission
is suspended: then whoever was asked before is asked again.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import yaml

from policies import documents, engine, loader, record
from policies.conditions import drawn
from policies.documents import Document
from policies.errors import PolicyError
from policies.rules import Policy, assemble
from policies.types import Facts
from workers.autonomy.conditions import SAFE, Part, written
from workers.autonomy.finding import Finding
from workers.autonomy.keeping import NAMING

EARNED = "earned-"
#: so many per cent are looked at by people all the same: first nearly all, and never none
FIRST_SAMPLE, STEPS = 90.0, (90.0, 50.0, 20.0, 5.0)
#: what was earned is earned again after so long
LASTS = timedelta(days=180)
#: so many times as many as on the busiest day so far, and no fewer than
ROOM, LEAST_A_DAY = 2, 10
#: as long as a switch's name may be
_LONGEST = 80
#: facts that every situation must state
_STATED = ("action_kind", "domain", "risk", "reversible", "delivery")
LIKE_THOSE, DRAWN = "like those that people always said yes to", "drawn for a second look"
_FILE, _TESTS = "{}.yaml", "{}.test.yaml"


class _Dumper(yaml.SafeDumper):
    """Conditions with a line for each comparison, so that a difference is read line by line."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


@dataclass(frozen=True, slots=True)
class Drafted:
    """A policy that could be proposed: every file of it, and what differs from the one in force."""

    rule: str
    files: Mapping[str, str]
    diff: str
    policy: Policy


def is_earned(rule: str) -> bool:
    return rule.startswith(EARNED)


def draft(
    policy: Policy, files: Mapping[str, str], finding: Finding, sentence: str, owner: str, now: datetime
) -> Drafted:
    """The policy in force with what was found added to it. Raise `PolicyError` where that would be none."""
    bundle = f"{EARNED}{finding.domain}"
    held, tests = _held(files, bundle, finding.domain)
    rule = _free(finding.kind.name, [one["id"] for one in held["rules"]], bundle)
    ref = f"{bundle}/{rule}"
    suspended = f'"rule:{ref}" in thrown_switches'
    condition = written(finding.parts)
    held["rules"].append(
        {
            "id": rule,
            "actions": [finding.kind.name],
            "when": condition,
            "outcome": "allow",
            "message": _line(sentence.partition(": lower bound")[0] + " before this was let run by itself"),
            "obligations": [*_samples(FIRST_SAMPLE, finding.asked), *_caps(finding.parts)],
        }
    )
    held["limits"].append(
        {
            "id": f"{rule}-a-day",
            "actions": [finding.kind.name],
            "per": ["domain"],
            "window_minutes": 24 * 60,
            "max_count": max(ROOM * finding.evidence.busiest_day, LEAST_A_DAY),
            "over": "review",
            "approvers": [{"role": role} for role in finding.asked],
        }
    )
    for number, waived in enumerate(finding.in_the_way, start=1):
        held["waivers"].append(
            {
                "id": f"{rule}-{number}",
                "rule": waived,
                "when": f"{condition}\n&& !({suspended})",
                "until": (now + LASTS).replace(microsecond=0).isoformat(),
                "owner": owner,
                "reason": _line(sentence),
            }
        )
    beside = {waived.partition("/")[0] for waived in finding.in_the_way}
    tests["beside"] = sorted({*tests["beside"], *beside} - {bundle})
    tests["groups"] = [*tests["groups"], _group(policy, finding, rule, ref, now)]
    return _assembled(policy, files, held, _tested(files, held, tests, now), ref)


def widen(policy: Policy, files: Mapping[str, str], rule: str, now: datetime) -> tuple[Drafted, float, float] | None:
    """The policy in force with fewer of this rule's actions drawn for people: (it, per cent before, after)."""
    bundle, _, name = rule.partition("/")
    held, tests = _held(files, bundle, "")
    for one in held["rules"]:
        samples = [said for said in one.get("obligations", ()) if said["kind"] == "sample"]
        if one["id"] != name or not samples:
            continue
        before = float(samples[0]["percent"])
        after = next((step for step in STEPS if step < before), None)
        if after is None:
            return None
        for said in samples:
            said["percent"] = after
        for waiver in held["waivers"]:
            if waiver["id"].startswith(f"{name}-"):
                waiver["until"] = (now + LASTS).replace(microsecond=0).isoformat()
        return _assembled(policy, files, held, _tested(files, held, tests, now), rule), before, after
    return None


def _held(files: Mapping[str, str], bundle: str, domain: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The bundle and its tests as they are, or empty ones."""
    held: dict[str, Any] = {
        "bundle": bundle,
        "version": 0,
        "about": "What people always said yes to. Proposed from their decisions, approved by people, taken back by itself.",
        "layer": "agent",
        "domain": domain,
        "enforcement": "enforce",
        "rules": [],
        "limits": [],
        "waivers": [],
    }
    tests: dict[str, Any] = {"bundle": bundle, "beside": [], "groups": []}
    for name, into in ((_FILE.format(bundle), held), (_TESTS.format(bundle), tests)):
        if name in files:
            read = documents.parse(name, files[name])
            if not isinstance(read, Document):
                raise PolicyError([read])
            into.update(read.data)
    held["version"] += 1
    return held, tests


def _free(kind: str, taken: Sequence[str], bundle: str) -> str:
    stem = kind.replace("_", "-")[: _LONGEST - len(f"rule:{bundle}/-00")]
    return next(name for number in range(1, 100) if (name := f"{stem}-{number}") not in taken)


def _samples(percent: float, asked: Sequence[str]) -> list[dict[str, Any]]:
    return [{"kind": "sample", "percent": percent, **({"role": role} if role else {})} for role in asked or ("",)]


def _caps(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """The band's upper end once more, as an obligation: an edited amount is held to it as well."""
    return [
        {"kind": "cap", "amount_minor": int(most), "currency": json.loads(currency)}
        for part in parts
        if part.cel.startswith("has_amount")
        for most, currency in [(part.cel.partition("<= ")[2].split()[0], part.cel.rpartition("== ")[2])]
    ]


def _group(policy: Policy, finding: Finding, rule: str, ref: str, now: datetime) -> dict[str, Any]:
    """What the rule is for, and everything that it must not let through, one thing broken at a time."""
    broken = [*((part.cel, part.broken) for part in finding.parts), *SAFE.items()]
    return {
        "about": rule,
        "given": _given(policy, finding, now),
        "tests": [
            {"name": LIKE_THOSE, "facts": {}},
            {"name": DRAWN, "facts": {}},
            {"name": "as before while its permission is suspended", "facts": {"thrown_switches": [f"rule:{ref}"]}},
            *({"name": _line(f"not without {cel}"), "facts": {fact: value}} for cel, (fact, value) in broken),
        ],
    }


def _tested(files: Mapping[str, str], held: Mapping[str, Any], tests: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The tests with what each comes to. A rule more may let through what another did not: the difference shows it. Raise
    `PolicyError` where a rule does not let through what it is for, or lets through what it must not."""
    bundle = held["bundle"]
    blank = [
        {**group, "tests": [{**test, "expect": {"outcome": "review"}} for test in group["tests"]]}
        for group in tests["groups"]
    ]
    untested = loader.loads(_files(files, bundle, held, {**tests, "groups": blank}), run_tests=False)
    judging = {bundle, *tests["beside"]}
    alone = assemble(
        (b.enforced() if b.name in judging else b.silent() for b in untested.bundles), untested.environment
    )
    return {**tests, "groups": [_expecting(alone, held, group, now) for group in tests["groups"]]}


def _expecting(alone: Policy, held: Mapping[str, Any], group: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    ref = f"{held['bundle']}/{group['about']}"
    passing, looked_at = _draws(held, ref)
    made, permitted = [], []
    for test in group["tests"]:
        facts = {**test["facts"], "draw": looked_at if test["name"] == DRAWN else passing}
        verdict = engine.decide(alone, record.facts_from_json({**group["given"], **facts}), at=now).verdict
        asked = {one.role: one.n for one in verdict.requirements if one.role}
        expect = {"outcome": verdict.outcome.name.lower(), **({"approvers": asked} if asked else {})}
        made.append({"name": test["name"], "facts": facts, "expect": expect})
        # What another rule lets through anyway is none of this one's doing.
        permitted += [test["name"]] if ref in verdict.rules else []
    if permitted != [LIKE_THOSE]:
        told = f"rule {group['about']!r} must let through just what it is for, not: {'; '.join(permitted) or 'nothing'}"
        raise PolicyError([Document(_FILE.format(held["bundle"]), {}, {}).problem((), told)])
    return {**group, "tests": made}


def _given(policy: Policy, finding: Finding, now: datetime) -> dict[str, Any]:
    """A decision like the others, as far as rules look at it and nobody is named."""
    facts = record.facts_to_json(finding.example)
    usual = {name: field.get_default(call_default_factory=True) for name, field in Facts.model_fields.items()}
    looked_at = {*policy.names(finding.domain, finding.kind.name), *(fact for fact, _ in SAFE.values()), "has_customer"}
    looked_at |= {part.broken[0] for part in finding.parts}
    looked_at -= {*NAMING, "thrown_switches", "occurred_at", "has_counters"}
    kept = {
        name: value
        for name, value in facts.items()
        if name in _STATED or (name in looked_at and value != usual[name] and "_24h" not in name and "_90d" not in name)
    }
    return {**kept, "occurred_at": now.replace(microsecond=0).isoformat()}


def _draws(bundle: Mapping[str, Any], rule: str) -> tuple[str, str]:
    """A draw that every rule of the bundle lets through, and one of which people look at what this rule permits."""
    name = bundle["bundle"]
    samples = {
        f"{name}/{one['id']}": float(said["percent"])
        for one in bundle["rules"]
        for said in one.get("obligations", ())
        if said["kind"] == "sample"
    }
    draws = [f"case-{number}" for number in range(10_000)]
    passing = next(d for d in draws if not any(drawn(f"sample:{ref}", d, share) for ref, share in samples.items()))
    return passing, next(d for d in draws if drawn(f"sample:{rule}", d, samples[rule]))


def _assembled(
    policy: Policy, files: Mapping[str, str], held: Mapping[str, Any], tests: Mapping[str, Any], rule: str
) -> Drafted:
    made = _files(files, held["bundle"], held, tests)
    loaded = loader.loads(made)
    if loaded.hash == policy.hash:
        raise PolicyError([Document(_FILE.format(held["bundle"]), {}, {}).problem((), "changes nothing")])
    changed = [name for name in sorted(made) if made[name] != files.get(name)]
    return Drafted(rule, made, "".join(_differing(name, files.get(name, ""), made[name]) for name in changed), loaded)


def _files(files: Mapping[str, str], bundle: str, held: Mapping[str, Any], tests: Mapping[str, Any]) -> dict[str, str]:
    return {**files, _FILE.format(bundle): _written(held), _TESTS.format(bundle): _written(tests)}


def _written(data: Mapping[str, Any]) -> str:
    # Through JSON, so that no two parts are one object: the dumper would write an anchor, which policies refuse.
    plain = json.loads(json.dumps(data))
    said = yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=118, default_flow_style=None)
    return str(said)


def _differing(name: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        fromfile=f"a/{name}" if before else "/dev/null",
        tofile=f"b/{name}",
    )
    return "".join(lines)


def _line(text: str) -> str:
    """As one line of a policy file takes it."""
    return "".join(c for c in text.replace("{", "(").replace("}", ")") if c.isprintable())[:300]

"""Policy files to a policy: read, checked and compiled before any of it is used, every problem reported at once.

Called when a process starts and by ``caseworker policy check``. Either the whole directory is a policy or `PolicyError`
says what is wrong with it; there is no half-loaded policy, and a broken one never takes the place of one in force.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from policies import checked as fingerprints
from policies import documents, references, suites
from policies.authority import Authority
from policies.cel import Engine, Environment, Fault, Program, Refused
from policies.documents import Document
from policies.envelope import ApproverEntry, BundleEntry, DefaultsEntry, Entry, LimitEntry, RuleEntry, SuiteEntry
from policies.errors import PolicyError, Problem
from policies.messages import Message
from policies.requirements import union
from policies.rules import Autonomy, Bundle, Defaults, Layer, Policy, Rule, Waiver, assemble
from policies.suites import Suite
from policies.types import Enforcement, Facts, Limit, Outcome, Requirement, Rung

#: the policies that come with Caseworker
SHIPPED: Final = Path(__file__).parent / "bundles"
TEST_SUFFIX: Final = ".test.yaml"

_UNCHECKED: Final = (
    "the engine {} cannot check conditions, and no other one has: run `caseworker policy check --lock` where "
    "cel-expr-python is installed, and bring checked.lock along"
)

E = TypeVar("E", bound=Entry)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the files amount to. `policy` is None where there are problems."""

    policy: Policy | None
    suites: tuple[Suite, ...]
    #: the bundles' documents by bundle name
    sources: Mapping[str, Document]
    problems: tuple[Problem, ...]


def load(directory: Path, *, run_tests: bool = True, engine: Engine = "auto") -> Policy:
    """The policy made of all ``*.yaml`` in `directory`. Raise `PolicyError` with every problem of every file."""
    return loads(read(directory), run_tests=run_tests, engine=engine, checked=fingerprints.known([directory]))


def loads(
    files: Mapping[str, str | bytes],
    *,
    run_tests: bool = True,
    engine: Engine = "auto",
    checked: Collection[str] = (),
    vouched: bool = False,
) -> Policy:
    """The same from contents by file name. `checked` and `vouched`: see `examine`."""
    loaded = examine(files, engine=engine, checked=checked, vouched=vouched)
    if loaded.policy is None:
        raise PolicyError(loaded.problems)
    if run_tests:
        proof = suites.run(loaded.policy, loaded.suites, loaded.sources)
        if proof.problems:
            raise PolicyError(proof.problems)
    return loaded.policy


def read(directory: Path) -> dict[str, bytes]:
    """The directory's policy files. One that would be passed over or cannot be read is an error, never less policy."""
    refused = [Problem(str(path), 1, "", "policy files end in .yaml: rename it") for path in directory.glob("*.yml")]
    files = {str(path): path.read_bytes() for path in sorted(directory.glob("*.yaml"))}
    if not files:
        told = (
            "no policy files (*.yaml) in this directory"
            if directory.is_dir()
            else "no policy files: there is no such directory"
        )
        refused.append(Problem(str(directory), 1, "", told))
    if refused:
        raise PolicyError(refused)
    return files


def examine(
    files: Mapping[str, str | bytes],
    *,
    engine: Engine = "auto",
    checked: Collection[str] = (),
    vouched: bool = False,
) -> Loaded:
    """Check everything that does not need the tests.

    An engine that cannot check types takes only bundles that another one checked: those whose fingerprints are among
    `checked` or stand beside the shipped bundles; or all of them, where the caller vouches that they were.
    """
    problems: list[Problem] = []
    bundles: list[tuple[Document, BundleEntry]] = []
    misshapen: list[Document] = []
    found: list[Suite] = []
    for file, content in files.items():
        document = _document(file, content)
        if isinstance(document, Problem):
            problems.append(document)
        elif file.endswith(TEST_SUFFIX):
            found += (Suite(document, entry) for entry in _entries(document, SuiteEntry, problems))
        else:
            entries = [*_entries(document, BundleEntry, problems)]
            bundles += ((document, entry) for entry in entries)
            misshapen += () if entries else (document,)
    if not bundles and not problems:
        problems.append(Problem(min(files, default="policy"), 1, "", "there are tests here, but no bundle"))

    known = references.Known.of([entry for _, entry in bundles], misshapen)
    environment = Environment(Facts, engine)
    for document in misshapen:
        _try_rules(document, environment, problems)
    trusted = None if vouched or environment.checks else {*checked, *fingerprints.known([SHIPPED])}
    compiled: list[Bundle] = []
    for document, entry in bundles:
        problems += references.problems(document, entry, known)
        compiled.append(_bundle(document, entry, environment, problems))
        if trusted is not None and fingerprints.fingerprint(compiled[-1]) not in trusted:
            problems.append(document.problem((), _UNCHECKED.format(environment.engine)))
    return Loaded(
        policy=None if problems else assemble(compiled, environment),
        suites=tuple(found),
        sources={entry.bundle: document for document, entry in bundles},
        problems=tuple(problems),
    )


def _document(file: str, content: str | bytes) -> Document | Problem:
    try:
        text = content.decode() if isinstance(content, bytes) else content
    except UnicodeDecodeError as error:
        return Problem(file, 1, "", f"not UTF-8: {error.reason} at byte {error.start}")
    return documents.parse(file, text)


def _entries(document: Document, shape: type[E], problems: list[Problem]) -> Iterable[E]:
    """The document in its shape, or nothing and a problem for each thing that does not fit."""
    try:
        return [shape.model_validate(document.data)]
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            message = "there is no such key" if detail["type"] == "extra_forbidden" else detail["msg"]
            problems.append(document.problem(detail["loc"], message))
        return []


def _try_rules(document: Document, environment: Environment, problems: list[Problem]) -> None:
    """Conditions and messages of a bundle that cannot be used as it is, so that what is wrong with them is told as well."""
    said = document.data.get("rules") if isinstance(document.data, dict) else None
    for place, rule in enumerate(said if isinstance(said, list) else ()):
        when, message = (rule.get("when"), rule.get("message")) if isinstance(rule, dict) else (None, None)
        if isinstance(when, str) and when:
            _program(document, ("rules", place, "when"), when, environment, problems)
        if isinstance(message, str):
            _message(document, ("rules", place, "message"), message, problems)


def _bundle(document: Document, entry: BundleEntry, environment: Environment, problems: list[Problem]) -> Bundle:
    layer, enforcement = Layer(entry.layer), Enforcement(entry.enforcement)
    rules: list[Rule] = []
    for place, said in enumerate(entry.rules):
        program = _program(document, ("rules", place, "when"), said.when, environment, problems)
        message = _message(document, ("rules", place, "message"), said.message, problems)
        if program is None or message is None:
            continue
        rule = Rule(
            id=said.id,
            bundle=entry.bundle,
            layer=layer,
            enforcement=min(enforcement, Enforcement(said.enforcement), key=tuple(Enforcement).index),
            actions=frozenset(said.actions),
            program=program,
            when=said.when,
            outcome=Outcome[said.outcome.upper()],
            message=message,
            requirements=_asked(said),
            exclude=tuple(sorted(set(said.exclude))),
            deadline_minutes=said.deadline_minutes,
            obligations=tuple(said.obligations),
            canary=said.canary,
        )
        rules.append(rule)
    return Bundle(
        name=entry.bundle,
        version=entry.version,
        layer=layer,
        domain=entry.domain,
        enforcement=enforcement,
        roles=frozenset(entry.roles),
        actions=frozenset(entry.actions),
        defaults=_defaults(entry.defaults),
        rules=tuple(sorted(rules, key=lambda rule: rule.id)),
        content=entry.canonical(),
        limits=tuple(sorted((_limit(entry.bundle, said) for said in entry.limits), key=lambda limit: limit.id)),
        waivers=tuple(sorted(_waivers(document, entry, environment, problems), key=lambda waiver: waiver.id)),
        authority=Authority({said.role: said.up_to for said in entry.authority}) if entry.authority else None,
        never_automatic=frozenset(entry.never_automatic),
        autonomy=None if entry.autonomy is None else Autonomy(**entry.autonomy.model_dump()),
    )


def _waivers(
    document: Document, entry: BundleEntry, environment: Environment, problems: list[Problem]
) -> Iterable[Waiver]:
    for place, said in enumerate(entry.waivers):
        program = _program(document, ("waivers", place, "when"), said.when, environment, problems)
        if program is not None:
            yield Waiver(
                id=said.id,
                bundle=entry.bundle,
                rule=said.rule if "/" in said.rule else f"{entry.bundle}/{said.rule}",
                program=program,
                when=said.when,
                until=said.until,
                owner=said.owner,
                reason=said.reason,
            )


def _limit(bundle: str, said: LimitEntry) -> Limit:
    return Limit(
        id=said.id,
        bundle=bundle,
        actions=frozenset(said.actions),
        per=tuple(sorted(said.per)),
        window_minutes=said.window_minutes,
        max_count=said.max_count,
        max_minor=said.max_minor,
        currency=said.currency,
        over=Outcome[said.over.upper()],
        requirements=_requirements(said.approvers),
        trips=said.trips,
    )


def _message(document: Document, path: documents.Path, text: str, problems: list[Problem]) -> Message | None:
    try:
        return Message.parse(text)
    except ValueError as error:
        problems.append(document.problem(path, str(error)))
        return None


def _program(
    document: Document, path: documents.Path, text: str, environment: Environment, problems: list[Problem]
) -> Program | None:
    try:
        program = environment.compile(text)
    except Refused as refused:
        problems.append(document.problem(path, str(refused)))
        return None
    for sample in _SAMPLES:
        result = program.evaluate(environment.bind(sample))
        if isinstance(result, Fault):
            problems.append(document.problem(path, f"fails when tried on sample facts: {result.reason}"))
            return None
    return program


def _defaults(entry: DefaultsEntry) -> Defaults:
    return Defaults(
        unknown_action=_outcome(entry.unknown_action),
        no_match=_outcome(entry.no_match),
        rule_error=_outcome(entry.rule_error),
        requirements=_requirements(entry.approvers),
    )


def _requirements(approvers: Iterable[ApproverEntry]) -> tuple[Requirement, ...]:
    return union([[_requirement(approver, 0) for approver in approvers]])


def _asked(said: RuleEntry) -> tuple[Requirement, ...]:
    if not said.stages:
        return _requirements(said.approvers)
    return union([[_requirement(one, place) for place, stage in enumerate(said.stages) for one in stage]])


def _requirement(approver: ApproverEntry, stage: int) -> Requirement:
    ladder = sorted((Rung(rung.after_minutes, rung.role) for rung in approver.ladder), key=lambda r: r.after_minutes)
    return Requirement(approver.role, approver.n, stage, tuple(ladder))


def _outcome(name: str | None) -> Outcome | None:
    return None if name is None else Outcome[name.upper()]


def _sample(text: str, number: int, yes: bool) -> Mapping[str, Any]:
    values: dict[Any, Any] = {str: text, int: number, float: min(float(number), 1.0), bool: yes}
    words = [text] if text else []
    facts = {name: values.get(info.annotation, words) for name, info in Facts.model_fields.items()}
    return vars(Facts.model_validate({**facts, "occurred_at": datetime(2000, 1, 1, tzinfo=UTC)}))


# What compiles can still fail on every input (`1 / 0 > 1`), or on the emptiest (`risk_flags[0] == "x"`).
_SAMPLES: Final = (_sample("", 0, yes=False), _sample("sample", 1, yes=True), _sample("other", 5_000_000, yes=True))

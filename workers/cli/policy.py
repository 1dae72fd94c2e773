"""``caseworker policy``: whether the policy files are sound, what they decide, and what others would have decided.

These look at files. What is in force is in the database, and changing it is another matter: see `governing`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from policies import checked, loader, record, testing
from policies.explain import around, terms
from policies.explain import explain as explained
from policies.rules import Policy, Route
from policies.schema import File, schema
from policies.types import DecisionRecord
from workers.actions.catalogue import CATALOGUE
from workers.cli import governing, opening, policy_versions, staffing_checks
from workers.cli.autonomy import autonomy, suggest
from workers.cli.failures import Failure
from workers.cli.reaching import replay_decision
from workers.cli.rehearsing import backtest
from workers.cli.screen import AsJson, say, show_json, show_table
from workers.cli.shadowing import shadow
from workers.quorum import Staff
from workers.rulebook import compiled
from workers.store import actions, policy_sets
from workers.store.database import StoreUnavailable, Tx

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Check, test and explain the approval policy.")
app.command()(backtest)
app.command("replay")(replay_decision)
app.command()(shadow)
app.command()(governing.history)
app.command()(governing.show)
app.command()(governing.diff)
app.command("propose")(governing.propose_one)
app.command("withdraw")(governing.withdraw_one)
app.command()(suggest)
app.command()(autonomy)

Folder = Annotated[
    Path | None, typer.Argument(metavar="DIR", help="The policy's folder. [default: the one in CASEWORKER_POLICY_DIR]")
]


@app.command()
def check(
    directory: Folder = None,
    lock: Annotated[bool, typer.Option("--lock", help="Write checked.lock, for the engine that cannot check.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check every policy file, its tests included, and name each problem with its place. Exit status 1 when there is one."""
    report = testing.run(_folder(directory), at=datetime.now(UTC))
    warnings = list(report.warnings)
    if report.policy is not None:
        warnings += policy_versions.unraised(report.policy, _folder(directory))
    if lock:
        _lock(_folder(directory), report)
    if as_json:
        name = report.policy and report.policy.name
        show_json({"ok": report.ok, "problems": report.problems, "warnings": warnings, "policy": name})
    elif report.policy is not None and report.ok:
        say(f"Sound: {report.policy.name} ({report.policy.hash[:12]}), {len(report.policy.rules)} rules.")
    else:
        for problem in sorted(report.problems, key=lambda one: (one.file, one.line, one.path)):
            say(str(problem))
    if not as_json:
        for warning in warnings:
            say(f"warning: {warning}")
        for told in _too_few_people(report.policy):
            say(f"warning: {told}")
    if not report.ok:
        sys.exit(1)


@app.command("test")
def run_tests(directory: Folder = None, as_json: AsJson = False) -> None:
    """Run the tests that lie beside the policies. Exit status 1 when one fails or a rule has none."""
    report = testing.run(_folder(directory), at=datetime.now(UTC))
    if as_json:
        results = [{"bundle": r.bundle, "name": r.name, "passed": r.passed} for r in report.results]
        show_json({"ok": report.ok, "results": results, "coverage": report.reach, "problems": report.problems})
    else:
        for line in testing.lines(report):
            say(line)
    if not report.ok:
        sys.exit(1)


@app.command("schema")
def show_schema(
    file: Annotated[File, typer.Argument(help="For bundles, or for the test files beside them.")] = "bundle",
) -> None:
    """Print the JSON Schema of policy files, for editors."""
    show_json(schema(file))


@app.command()
def explain(
    what: Annotated[str, typer.Argument(metavar="ACTION|KIND", help="An action's id, or a kind like refund_payment.")],
    domain: Annotated[str | None, typer.Option(help="With a kind: only as this domain sees it.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(metavar="DIR", help="With a kind: by these files. [default: the policy in force]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say why an action was judged as it was, rule by rule; or which rules there are for a kind of action."""
    if what.startswith("act_"):
        with opening.database() as db, db.read() as tx:
            found = _judged(tx, what)
        if as_json:
            show_json(record.to_json(found))
        else:
            say("\n".join(explained(found)))
        return
    if what not in CATALOGUE:
        raise Failure(f"There is no action kind {what!r}; there are {', '.join(CATALOGUE)}.")
    policy = loader.load(bundle, run_tests=False) if bundle is not None else _in_force()
    domains = [domain] if domain else sorted({bundle.domain for bundle in policy.bundles if bundle.domain})
    # A policy may speak of all domains alike and name none.
    domains = domains or ["any domain"]
    routes = {name: policy.route(name, what) for name in domains}
    known = {name: route for name, route in routes.items() if route.known} or routes
    if as_json:
        show_json({name: _rules(route) for name, route in known.items()})
        return
    for name, route in known.items():
        rows = [(r["rule"], r["outcome"], r["asks"], r["message"], r["when"]) for r in _rules(route)]
        title = f"{what} in {name} by {policy.hash[:12]}, where no rule allows it: {route.no_match.name.lower()}"
        heads = ("rule", "outcome", "asks", "says", "when")
        show_table(title, heads, rows, nothing=f"No rule is for {what} in {name}.")
        for line in around(route):
            say(line)


def _lock(directory: Path, report: testing.Report) -> None:
    if report.policy is None or not report.ok:
        return
    if not report.policy.environment.checks:
        raise Failure(f"{report.policy.environment.engine} cannot check: install cel-expr-python and try again there.")
    (directory / checked.FILE).write_text(checked.text(report.policy), encoding="utf-8")


def _too_few_people(policy: Policy | None) -> list[str]:
    """What the people of this installation could not approve, where there is one."""
    found = opening.settings()
    if policy is None or not opening.exists(found):
        return []
    try:
        with opening.database(found) as db, db.read() as tx:
            return staffing_checks.warnings(policy, Staff.at(tx, opening.now()))
    except (Failure, StoreUnavailable):
        # Files are sound or not without it; `caseworker doctor` says what is wrong with the database.
        return []


def _in_force() -> Policy:
    """What decides here; where nothing was set up yet, what would be in force first."""
    found = opening.settings()
    if not opening.exists(found):
        return loader.load(found.policy_dir, run_tests=False)
    with opening.database(found) as db:
        with db.read() as tx:
            latest = policy_sets.in_force(tx)
        if latest is None:
            return loader.load(found.policy_dir, run_tests=False)
        return compiled.kept_or_loaded(db, latest.hash)


def _folder(directory: Path | None) -> Path:
    return directory or opening.settings().policy_dir


def _judged(tx: Tx, action_id: str) -> DecisionRecord:
    """The record of an action's present revision."""
    revisions = actions.revisions_of(tx, action_id)
    if not revisions:
        raise Failure(f"There is no action {action_id!r}; `caseworker inbox list` shows what waits.")
    return record.from_json(revisions[-1].record)


def _rules(route: Route) -> list[Mapping[str, Any]]:
    return [
        {
            "rule": rule.ref,
            "outcome": rule.outcome.name.lower(),
            "enforcement": rule.enforcement.value,
            "asks": terms(rule),
            "message": rule.message.template,
            "when": " ".join(rule.when.split()),
        }
        for rule in route.rules
    ]

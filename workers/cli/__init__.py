"""The command line ``caseworker``: this table names the commands, each in a module of its own.

A module is imported when its command is called and not before, so that ``caseworker --help`` is quick. Whatever a command
cannot do it says in one line, with exit status 2; status 1 means that a check was made and found something wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from workers.collector import uncollected

RUN, WORK, RULES, ACCESS, UPKEEP = "Run", "Work", "Rules and models", "People and access", "Upkeep"


@dataclass(frozen=True, slots=True)
class Entry:
    """A command as `caseworker --help` shows it, and where its code is."""

    module: str
    panel: str
    help: str


COMMANDS: Mapping[str, Entry] = {
    "up": Entry("workers.cli.up", RUN, "Run everything in one process: pages, worker and sweeper."),
    "demo": Entry("workers.cli.demo", RUN, "Drive sample events through the system and say what happened."),
    "web": Entry("workers.cli.web", RUN, "Serve the inbox, the API and the webhooks."),
    "worker": Entry("workers.cli.worker", RUN, "Work the queues, in the foreground."),
    "sweep": Entry("workers.cli.sweep", RUN, "Run the sweeper, which finds what is due."),
    "migrate": Entry("workers.cli.migrate", RUN, "Bring the database to the schema of this version."),
    "send": Entry("workers.cli.send", WORK, "Send CloudEvents from a file."),
    "inbox": Entry("workers.cli.inbox", WORK, "See and decide what waits for people."),
    "case": Entry("workers.cli.case", WORK, "Look at cases and what happened to them."),
    "memory": Entry("workers.cli.memory", WORK, "See, correct and erase what is remembered."),
    "policy": Entry("workers.cli.policy", RULES, "Check, test and explain the approval policy."),
    "eval": Entry("workers.cli.evaluate", RULES, "Measure the local model, or a change against what people decided."),
    "models": Entry("workers.cli.models", RULES, "Show which model does what, and who follows when it fails."),
    "cost": Entry("workers.cli.cost", RULES, "Say what models have cost, by domain, model, day, task or case."),
    "user": Entry("workers.cli.user", ACCESS, "Manage the people who may sign in."),
    "delegate": Entry("workers.cli.delegate", ACCESS, "Say who stands in for whom while they are away."),
    "token": Entry("workers.cli.token", ACCESS, "Manage tokens for machines."),
    "switch": Entry("workers.cli.switch", UPKEEP, "Stop actions from being carried out, and let them go on."),
    "quarantine": Entry("workers.cli.quarantine", UPKEEP, "See refused requests and replay them."),
    "deadletter": Entry("workers.cli.deadletter", UPKEEP, "See what could not be read, and replay it."),
    "audit": Entry("workers.cli.audit", UPKEEP, "Verify the audit log."),
    "archive": Entry("workers.cli.archive", UPKEEP, "Take closed cases out of the database, and read archives."),
    "doctor": Entry("workers.cli.doctor", UPKEEP, "Say what is wrong with this installation, and what to do."),
}


class Commands(TyperGroup):
    """The commands by name, each a line of help until it is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, entry in COMMANDS.items():
            self.add_command(TyperCommand(name, help=entry.help, rich_help_panel=entry.panel))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        if name is None:
            return None, None, rest
        with uncollected("imports"):
            command = typer.main.get_command(import_module(COMMANDS[name].module).app)
        command.name = name
        return name, command, rest


app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich"
)


def _show_version(wanted: bool) -> None:
    if wanted:
        # Imported now, as the commands are: `--help` need not.
        typer.echo(import_module("importlib.metadata").version("caseworker"))
        raise typer.Exit


@app.callback()
def caseworker(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Turns business events into finished work: agents draft, a policy judges, people decide, actions run once.

    [bold]caseworker up[/bold] runs all of it here and now. Settings are environment variables (docs/settings.md);
    [bold]caseworker doctor[/bold] says what is wrong with them.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point of the script. `arguments` are those of the process unless given."""
    try:
        app(args=arguments, prog_name="caseworker")
    except Exception as error:
        # Imported now: what raised has loaded it anyway, and `--help` need not.
        failures = import_module("workers.cli.failures")
        if torn := failures.no_text(error, sys.argv[1:] if arguments is None else arguments):
            error = torn
        if not failures.is_named(error):
            raise
        sys.stderr.write(f"caseworker: {failures.sentence(error)}\n")
        sys.exit(2)

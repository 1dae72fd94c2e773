"""``caseworker up``: everything in one process, for one machine and for looking at it.

The first time it sets up what it needs, says how long each part took, and makes the first person, whose password is
printed here and written nowhere. Ctrl-C or SIGTERM ends it; what was being worked on is found again at the next start.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from socket import socket
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from integrations import registry
from integrations.sample_company import page as sample_pages
from workers import embedded, wiring
from workers.cli import opening, watching, wired
from workers.cli.failures import Failure
from workers.cli.serving import address, listen, serve, until_stopped
from workers.governance.folder import PROPOSE, differing
from workers.inbox.passwords import hash_password
from workers.settings import Settings
from workers.store import audit, people, schema
from workers.store.audit import SYSTEM, Note
from workers.store.database import Database
from workers.web import make_app
from workers.wiring import System, learned_examples

app = typer.Typer(add_completion=False)

FIRST_PERSON = "you@example.com"
#: every group that the shipped policies and the inbox know
FIRST_GROUPS = ("support", "lead", "finance", "risk", "risk_lead", "editor", "admin")


@app.command()
def up(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    data: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for database, keys and model. [default: var/]")
    ] = None,
    no_sample: Annotated[bool, typer.Option("--no-sample", help="Leave the sample company out.")] = False,
) -> None:
    """Run everything in one process: pages, worker and sweeper.

    With the sample company beside it, unless told otherwise: write it a ticket and see what becomes of it.
    """
    console = Console(highlight=False)
    found = opening.settings(data=data, sample_company=False if no_sample else None)
    listener = listen(host, port)
    here = address(listener)
    if "public_url" not in found.model_fields_set:
        found = found.model_copy(update={"public_url": here})
    with listener, until_stopped():
        try:
            with embedded.sole_owner(found.data):
                sources = wired.webhooks(found)
                password = _set_up(console, found)
                opening.log_to(found.log_level, found.log_format)
                with embedded.running(found, public_url=here) as system:
                    watching.begin(found, system, "up")
                    console.print(_welcome(system, listener, password))
                    pages = sample_pages.routes(registry.company(found.data)) if found.sample_company else ()
                    serve(make_app(system, webhooks=sources, extra_routes=pages), listener)
        except embedded.FolderInUse as error:
            raise Failure(str(error)) from error
    console.print("Stopped. What was being worked on is found again at the next start.")


def _set_up(console: Console, found: Settings) -> str | None:
    """Everything that takes time the first time, part by part. The first person's password, where one was made."""
    opening.log_to("WARNING", found.log_format)
    with _part(console, "Database"):
        db = Database(found.database, connections=2)
        schema.upgrade(db)
    try:
        if found.sample_company:
            with _part(console, "Sample company"):
                registry.company(found.data)
        model = registry.models(
            wiring.environment(found),
            data=found.data,
            learned=lambda: learned_examples(db),
            routing=found.models_file,
        )
        if model.provider == registry.LOCAL:
            with _part(console, "Local model"):
                model.prepare()
        return _first_person(db)
    finally:
        db.dispose()


@contextmanager
def _part(console: Console, name: str) -> Iterator[None]:
    began = time.monotonic()
    with console.status(f"{name} …"):
        yield
    console.print(f"  [green]✓[/green] {name} [dim]({time.monotonic() - began:.1f} s)[/dim]")


def _first_person(db: Database) -> str | None:
    """Somebody who can sign in, in every group, on an installation that has nobody yet."""
    now = opening.now()
    with db.write() as tx:
        if people.count(tx):
            return None
        password = secrets.token_urlsafe(12)
        person = people.add(
            tx,
            email=FIRST_PERSON,
            name="You",
            password_hash=hash_password(password),
            groups=FIRST_GROUPS,
            now=now,
        )
        note = {"person": person.id, "email": person.email, "groups": person.groups}
        audit.append(tx, SYSTEM, now, Note(opening.operator(), "person_added", note))
    return password


def _welcome(system: System, listener: socket, password: str | None) -> Panel:
    here = escape(address(listener))
    lines = [f"[bold]{here}[/bold]", ""]
    if password is not None:
        lines += [
            f"sign in as  [bold]{FIRST_PERSON}[/bold]",
            f"password    [bold]{password}[/bold]",
            "            written nowhere else; `caseworker user add` adds people",
            "",
        ]
    if system.settings.sample_company:
        lines += [f"sample      {here}/sample", "            write it a ticket, then look into the inbox"]
        if not ip_address(listener.getsockname()[0]).is_loopback:
            lines.append("            open to whoever reaches it; --no-sample closes it")
    differs = differing(system.settings.policy_dir, system.policy)
    if differs is not None:
        lines += [f"policy      {escape(differs.told)}", f"            {escape(PROPOSE)}"]
    lines += [
        f"model       {system.model.name} ({system.model.provider})",
        f"data        {escape(str(system.settings.data))}",
        "",
        "Ctrl-C stops it.",
    ]
    return Panel("\n".join(lines), title="Caseworker", title_align="left", expand=False, padding=(1, 2))

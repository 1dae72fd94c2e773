"""``caseworker send``: events from a file or a pipe, through the same door as everybody's."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path
from typing import Annotated

import typer

from integrations import cloudevents
from integrations.base import EventType
from integrations.errors import Malformed, UnknownEvent
from integrations.webhooks.payload import read_json
from workers.cli import opening, wired
from workers.cli.failures import Failure
from workers.cli.screen import AsJson, say, show_json
from workers.intake.receive import Provenance, receive

app = typer.Typer(add_completion=False)


@app.command()
def send(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="One CloudEvent in JSON or an array of them; - reads stdin.")
    ],
    as_json: AsJson = False,
) -> None:
    """Send CloudEvents from a file.

    Each is stored once, whoever sends it how often, and opens or joins a case. An array is read whole or not at all; events of types
    that are not handled are left out.
    """
    # Some editors put a mark in front of the text, which is none of JSON's.
    body = _read(file).removeprefix(codecs.BOM_UTF8)
    kind = cloudevents.BATCHED if body.lstrip().startswith(b"[") else cloudevents.STRUCTURED
    with wired.system(opening.settings()) as system:
        try:
            inbound = cloudevents.read([(b"content-type", kind.encode())], body, system.clock())
        except (Malformed, UnknownEvent) as error:
            raise Failure(f"{file} was not sent: {error}") from error
        received = receive(system, inbound, Provenance(door="cli", raw=body))
    if as_json:
        show_json(received)
        return
    for event, case in zip(received.accepted, received.cases, strict=True):
        say(f"{event} accepted, case {case}")
    for event in received.duplicates:
        say(f"{event} was there already")
    left_out = len(read_json(body)) - len(inbound) if kind == cloudevents.BATCHED else 0
    if left_out:
        say(f"{left_out} of types that are not handled; known are {', '.join(EventType)}")


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}.") from error

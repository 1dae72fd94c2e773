"""``caseworker web``: the inbox, the API and the doors for events, beside workers in other processes. Holds no Writers."""

from __future__ import annotations

from typing import Annotated

import typer

from workers import log
from workers.cli import opening, watching, wired
from workers.cli.serving import address, listen, serve, until_stopped
from workers.web import make_app

app = typer.Typer(add_completion=False)


@app.command()
def web(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
) -> None:
    """Serve the inbox, the API and the webhooks.

    Put a proxy with TLS in front of it, and set CASEWORKER_PUBLIC_URL to the address that people and vendors use.
    """
    found = opening.settings()
    opening.needs_a_broker(found, "web")
    sources = wired.webhooks(found)
    with listen(host, port) as listener, until_stopped(), wired.system(found) as system:
        watching.begin(found, system, "web")
        log.logger.info("web_started", address=address(listener), public_url=found.public_url)
        serve(make_app(system, webhooks=sources), listener)

"""The door of every peer: one Starlette route behind uvicorn (uvloop, httptools) that proves the signature first."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engine_bench.deliveries import is_authentic, key_of

Accept = Callable[[str, dict[str, Any]], Awaitable[None]]
Approve = Callable[[str], Awaitable[None]]


def serve(port: int, accept: Accept, approve: Approve, lifespan: Any = None) -> None:
    """`accept` gets the delivery id and the event, and returns once it is durable; `approve` gets the case's marker."""
    key = key_of(os.environ["SAMPLE_WEBHOOK_SECRET"])

    async def hook(request: Request) -> Response:
        body, headers = await request.body(), request.headers
        message_id = headers["webhook-id"]
        if not is_authentic(key, message_id, headers["webhook-timestamp"], body, headers["webhook-signature"]):
            return JSONResponse({"error": "not authentic"}, status_code=401)
        await accept(message_id, json.loads(body)["data"])
        return JSONResponse({"accepted": message_id})

    async def approved(request: Request) -> Response:
        await request.body()
        await approve(request.path_params["marker"])
        return JSONResponse({"approved": True})

    routes = [
        Route("/hooks/sample", hook, methods=["POST"]),
        Route("/cases/{marker}/approve", approved, methods=["POST"]),
        Route("/healthz", lambda _request: JSONResponse({"status": "ok"})),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)

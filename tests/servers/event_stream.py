"""Server-sent events over HTTP/1.1 in chunks, as model services stream their answers, and ways to break off in the middle."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler
from typing import Any


def anthropic_events(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The events that tell `message` piece by piece: blocks in order, texts and inputs in halves, counts at the end."""
    usage = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, block in enumerate(message["content"]):
        empty, deltas = _in_deltas(block)
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    ended = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events.append(
        {
            "type": "message_delta",
            "delta": ended,
            "usage": {"output_tokens": usage["output_tokens"], "input_tokens": None},
        }
    )
    return [*events, {"type": "message_stop"}]


def chat_chunks(completion: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks that tell `completion`: text and arguments in halves, the counts in a last one."""
    choice = completion["choices"][0]
    message = choice["message"]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for name, value in message.items():
        if isinstance(value, str) and name != "role":
            deltas += [{name: half} for half in _halves(value)]
    for index, call in enumerate(message.get("tool_calls") or ()):
        first, second = _halves(call["function"]["arguments"])
        deltas.append({"tool_calls": [{**call, "index": index, "function": {**call["function"], "arguments": first}}]})
        deltas.append({"tool_calls": [{"index": index, "function": {"arguments": second}}]})
    head = {"id": completion["id"], "object": "chat.completion.chunk", "created": 1, "model": completion["model"]}
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    return [*chunks, {**head, "choices": [], "usage": completion["usage"]}]


def send(handler: BaseHTTPRequestHandler, events: Iterable[bytes], headers: dict[str, str], *, whole: bool) -> None:
    """Write the events as chunks. Where not `whole`, the connection is cut behind the last."""
    try:
        handler.send_response(200)
        for name, value in {"content-type": "text/event-stream", **headers, "transfer-encoding": "chunked"}.items():
            handler.send_header(name, value)
        handler.end_headers()
        for event in events:
            handler.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
            handler.wfile.flush()
        if whole:
            handler.wfile.write(b"0\r\n\r\n")
        else:
            handler.close_connection = True
            handler.connection.close()
    except (BrokenPipeError, ConnectionResetError):
        handler.close_connection = True  # nobody listens any more: what some tests are about


def named(event: dict[str, Any]) -> bytes:
    """An event with its name in front, as Anthropic sends them."""
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def unnamed(chunk: dict[str, Any] | str) -> bytes:
    """A chunk without a name, as OpenAI sends them."""
    return f"data: {chunk if isinstance(chunk, str) else json.dumps(chunk)}\n\n".encode()


def _in_deltas(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    kind = block["type"]
    if kind == "text":
        return {**block, "text": ""}, [{"type": "text_delta", "text": half} for half in _halves(block["text"])]
    if kind == "thinking":
        thoughts = [{"type": "thinking_delta", "thinking": half} for half in _halves(block["thinking"])]
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*thoughts, signed]
    if kind in ("tool_use", "server_tool_use"):
        halves = _halves(json.dumps(block["input"]))
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": half} for half in halves]
    return block, []


def _halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]

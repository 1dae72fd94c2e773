"""What requests and answers look like on the wire, as far as `integrations.models.wire` has to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import httpx2

PORTS: Final = {"http": 80, "https": 443}


def is_plain(request: httpx2.Request) -> bool:
    """Whether it is what we speak: a whole body or none, to a name that is also the one in the certificate."""
    return (
        request.url.scheme in PORTS
        and request.method not in ("HEAD", "CONNECT")
        and "sni_hostname" not in request.extensions
        and isinstance(request.stream, httpx2.ByteStream)
        and "transfer-encoding" not in request.headers
        and "upgrade" not in request.headers
    )


def is_stream(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether an answer comes piece by piece, as it is made."""
    return any(name.lower() == b"content-type" and b"event-stream" in value for name, value in headers)


def head(request: httpx2.Request) -> bytes:
    """The request line and the headers, with the empty line behind them. Raise `httpx2.LocalProtocolError`."""
    lines = [request.method.encode("ascii") + b" " + request.url.raw_path + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in request.headers.raw]
    if any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines):
        raise httpx2.LocalProtocolError("A header of the request holds a line break.")
    return b"\r\n".join((*lines, b"", b""))

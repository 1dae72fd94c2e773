"""A TCP proxy that the chaos holds: it forwards, cuts, stalls, and swallows the answer to a commit that was made.

One event loop in a thread of the harness serves every link. `Link.swallow` is the nastiest: PostgreSQL has committed, and the
client is told nothing but that its connection is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

#: ReadyForQuery outside a transaction: whatever was sent is committed
_READY = b"Z\x00\x00\x00\x05I"
_WRITES = re.compile(rb"\b(INSERT INTO|UPDATE|DELETE FROM|COMMIT)\b")
_NAMED = re.compile(rb"P.{4}(_pg3_\d+)\x00([^\x00]*)\x00", re.DOTALL)
_USED = re.compile(rb"B.{4}\x00(_pg3_\d+)\x00", re.DOTALL)
CHUNK = 65_536


class Link:
    """One listening port in front of one server. All methods are for the harness's threads."""

    def __init__(self, proxy: Proxy, target: int, port: int) -> None:
        self.port = port
        self.swallowed = 0
        self._proxy, self._target = proxy, target
        self._open: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._to_swallow = 0

    def cut(self) -> None:
        """Reset every connection."""
        self._proxy.call(self._cut)

    def stall(self) -> None:
        """Hold every byte back, without closing anything, until `flow`."""
        self._proxy.call(self._flowing.clear)

    def flow(self) -> None:
        self._proxy.call(self._flowing.set)

    def swallow(self, commits: int) -> None:
        """Cut the next so many connections between the server's commit and the client's hearing of it."""

        def arm() -> None:
            self._to_swallow = commits

        self._proxy.call(arm)

    def _cut(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            self._open.discard(writer)
            return
        self._open.add(there_writer)
        talk = _Talk()
        ways = [
            asyncio.ensure_future(self._carry(reader, there_writer, talk.asked)),
            asyncio.ensure_future(self._carry(there_reader, writer, talk.answered)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for end in (writer, there_writer):
                end.transport.abort()
                self._open.discard(end)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hear: Callable[[bytes], bool]
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                await self._flowing.wait()
                if hear(chunk) and self._to_swallow > 0:
                    self._to_swallow -= 1
                    self.swallowed += 1
                    return
                writer.write(chunk)
                await writer.drain()


class _Talk:
    """Enough of PostgreSQL's protocol to know when a client hears that its writing is committed."""

    def __init__(self) -> None:
        self._writing_names: set[bytes] = set()
        self._wrote = False

    def asked(self, chunk: bytes) -> bool:
        for name, text in _NAMED.findall(chunk):
            if _WRITES.search(text):
                self._writing_names.add(name)
        if _WRITES.search(chunk) or any(name in self._writing_names for name in _USED.findall(chunk)):
            self._wrote = True
        return False

    def answered(self, chunk: bytes) -> bool:
        """True for the answer that tells of a commit."""
        if not chunk.endswith(_READY):
            return False
        told, self._wrote = self._wrote, False
        return told


class Proxy:
    """The loop and its links. Started on entering, ended on leaving."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def link(self, target: int) -> Link:
        return asyncio.run_coroutine_threadsafe(self._link(target), self._loop).result(10)

    def call(self, what: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(what)

    async def _link(self, target: int) -> Link:
        link = Link(self, target, 0)
        server = await asyncio.start_server(link.serve, "127.0.0.1", 0, backlog=512)
        link.port = server.sockets[0].getsockname()[1]
        self._servers = [*getattr(self, "_servers", []), server]
        return link

    async def _end(self) -> None:
        for server in getattr(self, "_servers", []):
            server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

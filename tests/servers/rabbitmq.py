"""A RabbitMQ server of the tests' own: scratch folder, free ports, own name and cookie, loopback only, stopped at the end.

It takes about five seconds to start, so tests share one; `vhost` gives each its own room on it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import amqp

from tests.servers.ports import free_port

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
KEPT_SECONDS = 3.0


class RabbitServer:
    """Started on entering, stopped on leaving; `kill` and `start` play an outage that keeps what was on disk."""

    def __init__(self) -> None:
        self.port, self._distribution, self._names, self._management = (free_port() for _ in range(4))
        self.folder = Path(tempfile.mkdtemp(prefix="caseworker-rabbit-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None

    def url(self, vhost: str = "/") -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{'%2F' if vhost == '/' else vhost}"

    def __enter__(self) -> Self:
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        (self.folder / "plugins").write_text("[rabbitmq_management_agent,rabbitmq_management].")
        (self.folder / "rabbitmq.conf").write_text(
            f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {self._management}\n"
            # Tests are small and disks of build machines full: what a real server does then is not their subject.
            "disk_free_limit.absolute = 1MB\nlog.file.level = warning\n"
        )
        # Started here, in the foreground, so that it is ours to stop; else the server starts one that outlives it.
        self._epmd = subprocess.Popen(["epmd", "-port", str(self._names), "-address", "127.0.0.1"], env=self._env())
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        if self._epmd is not None:
            self._epmd.terminate()
            self._epmd.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        with (self.folder / "out").open("ab") as out:
            self._process = subprocess.Popen([PROGRAM], env=self._env(), cwd=self.folder, stdout=out, stderr=out)
        deadline = time.monotonic() + 240
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "out").read_text()[-2000:]
            assert time.monotonic() < deadline, "RabbitMQ does not come up"
            time.sleep(0.1)

    def pause(self) -> None:
        """It stands still until it goes on or is killed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """`kill -9`, once it has written down which quorum queues there are.

        It does so about a second after one was made (3.10). Killed before that, it starts such a queue with nobody who leads it: whoever
        publishes or listens there waits for ever, and only deleting the queue helps (docs/queue.md).
        """
        deadline = time.monotonic() + 30
        while not self._queues_are_kept():
            assert time.monotonic() < deadline, "RabbitMQ does not write its queues down"
            time.sleep(0.05)
        self.kill_at_once()

    def kill_at_once(self) -> None:
        self._end()

    def _queues_are_kept(self) -> bool:
        made = [path.stat().st_mtime for path in self.folder.glob("*/quorum/*/*/config")]
        kept = [path.stat().st_mtime for path in self.folder.glob("*/quorum/*/names.dets")]
        # That file is touched at once, and whole only when nobody has asked for it for a while.
        return not made or (max(kept, default=0.0) > max(made) and time.time() > max(made) + KEPT_SECONDS)

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None

    def vhost(self, name: str) -> str:
        """A room of its own, empty; its URL."""
        self.manage("PUT", f"vhosts/{name}")
        self.manage("PUT", f"permissions/{name}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
        return self.url(name)

    def empty(self, vhost: str) -> None:
        """Nothing waits in any queue any more. Those of one connection alone hold no work, and nobody else may empty them."""
        for queue in self.manage("GET", f"queues/{vhost}"):
            if not queue["exclusive"]:
                self._purge(f"queues/{vhost}/{queue['name']}/contents")

    def _purge(self, contents: str) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                self.manage("DELETE", contents)
            except urllib.error.HTTPError as error:
                # A quorum queue that is only just being declared has no leader yet, and takes no orders.
                if error.code != 400 or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def manage(self, method: str, path: str, body: object = None) -> Any:
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        address = f"http://127.0.0.1:{self._management}/api/{path}"
        passwords.add_password(None, address, "guest", "guest")
        opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
        request = urllib.request.Request(
            address, json.dumps(body or {}).encode() if method != "GET" else None, method=method
        )
        request.add_header("content-type", "application/json")
        with opener.open(request, timeout=60) as answer:
            said = answer.read()
        return json.loads(said) if said else None

    def _answers(self) -> bool:
        try:
            with amqp.Connection(f"127.0.0.1:{self.port}", connect_timeout=10):
                return self.manage("GET", "overview") is not None
        except (OSError, amqp.AMQPError):
            return False

    def _env(self) -> dict[str, str]:
        folder = str(self.folder)
        return {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"caseworker{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_MNESIA_BASE": folder,
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            # The server takes the place of its start script, so that the process that we hold is the server.
            "RUNNING_UNDER_SYSTEMD": "1",
            # A node for tests: one scheduler, no busy waiting.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
        }


def installed() -> bool:
    return PROGRAM.exists() and shutil.which("epmd") is not None

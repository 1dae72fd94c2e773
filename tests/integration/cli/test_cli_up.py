"""The command that people start with, as a process of its own: first start, stop, kill, and what stands in its way."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

pytestmark = pytest.mark.slow

START_SECONDS = 110
STOP_SECONDS = 10


class Started:
    """`caseworker up` on a free port, with what it has printed so far."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.log = folder / "up.log"
        environment |= {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workers.cli", "up", *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
            )

    @property
    def printed(self) -> str:
        return self.log.read_text()

    @property
    def address(self) -> str:
        """Where it answers. Waits until it does."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            found = re.search(r"http://127\.0\.0\.1:\d+", self.printed)
            if found and self.answers(found[0] + "/readyz"):
                return found[0]
            time.sleep(0.1)
        raise AssertionError(self.printed)

    def answers(self, url: str) -> bool:
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return answer.status == 200
        except OSError:
            return False

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(STOP_SECONDS)


@contextmanager
def up(folder: Path, *arguments: str, **environment: str):
    started = Started(folder, *arguments, **environment)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
        started.process.wait()


def test_first_start_stop_second_start_kill_and_third(tmp_path):
    with up(tmp_path, "--port", "0") as first:
        address = first.address
        password = re.search(r"password\s+(\S+)", first.printed)[1]
        assert "Local model" in first.printed
        assert signs_in(address, "you@example.com", password)
        assert not signs_in(address, "you@example.com", password + "x")
        assert first.answers(address + "/sample")
        assert first.end(signal.SIGTERM) == 0
    assert "Stopped." in first.printed
    assert "Traceback" not in first.printed

    with up(tmp_path, "--port", "0") as second:
        assert signs_in(second.address, "you@example.com", password)
        assert "password" not in second.printed
        second.end(signal.SIGKILL)

    with up(tmp_path, "--port", "0", "--no-sample") as third:
        address = third.address
        assert not third.answers(address + "/sample")
        assert third.end(signal.SIGINT) == 0
    assert "Traceback" not in third.printed


def test_a_folder_belongs_to_one_process_at_a_time(tmp_path):
    with up(tmp_path, "--port", "0", ANTHROPIC_API_KEY="spares the training of the local model") as first:
        assert first.address

        with up(tmp_path, "--port", "0", "--data", str(tmp_path / "var")) as second:
            assert second.process.wait(START_SECONDS) == 2

    assert f"caseworker: Process {first.process.pid} runs on" in second.printed
    assert "Traceback" not in second.printed


def test_a_taken_port_is_said_so_before_anything_is_set_up(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with up(tmp_path, "--port", str(port)) as started:
            assert started.process.wait(START_SECONDS) == 2

    assert started.printed == (
        f"caseworker: Port {port} of 127.0.0.1 is in use. Stop what uses it, or choose another with --port.\n"
    )
    assert not (tmp_path / "var").exists()


def signs_in(address: str, email: str, password: str) -> bool:
    """Whether the sign-in form lets these through."""
    form = urllib.parse.urlencode({"email": email, "password": password, "next": "/"}).encode()
    request = urllib.request.Request(f"{address}/sign-in", data=form, headers={"Origin": address})
    opener = urllib.request.build_opener(Staying)
    try:
        with opener.open(request, timeout=60) as answer:
            return "set-cookie" in answer.headers
    except urllib.error.HTTPError as error:
        return error.code == 303 and "set-cookie" in error.headers


class Staying(urllib.request.HTTPRedirectHandler):
    """Follows nothing, so that the cookie can be seen."""

    def redirect_request(self, *_details):
        return None

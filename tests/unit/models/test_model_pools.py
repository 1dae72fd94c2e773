"""A thread keeps to one small pool, so its calls share a connection however many other calls are open."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from integrations.models import pools

LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=30.0)


class Counting(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.connections = 0

    def process_request(self, request, client_address):
        self.connections += 1
        super().process_request(request, client_address)


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Counting() as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def ask(server, *, threads: int, calls: int, pools_of: int) -> list[str]:
    answers: list[str] = []
    begin = threading.Barrier(threads)
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    with httpx2.Client(mounts={"all://": pools.Pools(LIMITS, pools_of)}) as client:

        def calling() -> None:
            begin.wait()
            answers.extend(client.get(address).text for _ in range(calls))

        working = [threading.Thread(target=calling) for _ in range(threads)]
        for one in working:
            one.start()
        for one in working:
            one.join()
    return answers


def test_each_thread_goes_on_with_the_connection_that_it_has(server):
    assert ask(server, threads=4, calls=5, pools_of=4) == ["ok"] * 20
    assert server.connections == 4


def test_more_threads_than_pools_share_them_and_all_are_answered(server):
    assert ask(server, threads=12, calls=3, pools_of=3) == ["ok"] * 36
    assert 3 <= server.connections <= 12


def test_where_a_proxy_is_named_the_library_finds_its_own_way(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert list(pools.mounts(LIMITS)) == ["all://"]

    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")

    assert pools.mounts(LIMITS) == {}

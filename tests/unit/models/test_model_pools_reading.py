"""What waits for an answer holds little memory, and large answers arrive whole, over TLS too."""

from __future__ import annotations

import ipaddress
import ssl
import threading
import tracemalloc
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integrations.models import pools

LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=30.0)
LARGE = bytes(range(256)) * 2000
WAITING = 20


class Slow(ThreadingHTTPServer):
    """Answers when it is let go."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.asked = threading.Semaphore(0)
        self.go = threading.Event()


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.release()
        assert self.server.go.wait(60)
        self.send_response(200)
        self.send_header("content-length", str(len(LARGE)))
        self.end_headers()
        self.wfile.write(LARGE)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Slow() as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.go.set()
        serving.shutdown()
        thread.join()


@pytest.fixture
def certificate(tmp_path):
    """One for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "both.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def test_what_waits_for_an_answer_reserves_little(server):
    """The library's own way reserves 64 KB for each call that is open."""
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    answers: list[bytes] = []
    with httpx2.Client(mounts={"all://": pools.Pools(LIMITS)}, timeout=60) as client:
        threads = [threading.Thread(target=lambda: answers.append(client.get(address).content)) for _ in range(WAITING)]
        tracemalloc.start()
        try:
            for thread in threads:
                thread.start()
            for _ in threads:
                assert server.asked.acquire(timeout=60)
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        server.go.set()
        for thread in threads:
            thread.join()

    assert held / WAITING < 50_000
    assert answers == [LARGE] * WAITING


def test_an_answer_larger_than_what_is_read_at_once_arrives_whole_over_tls(server, certificate):
    secret = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secret.load_cert_chain(certificate)
    server.socket = secret.wrap_socket(server.socket, server_side=True)
    server.go.set()
    trusted = ssl.create_default_context(cafile=str(certificate))

    with httpx2.Client(mounts={"all://": pools.Pools(LIMITS, 1, trusted)}, timeout=60) as client:
        answers = [client.get(f"https://127.0.0.1:{server.server_address[1]}/") for _ in range(3)]

    assert [answer.content for answer in answers] == [LARGE] * 3

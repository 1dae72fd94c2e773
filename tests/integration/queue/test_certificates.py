"""A broker that is reached through TLS must prove who it is before anything is told to it."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest

from tests.kit.certificates import self_signed
from workers.queue import make_app


@pytest.fixture
def certificate(tmp_path):
    """Of an authority of its own, given to another host than the one that is asked."""
    return self_signed(tmp_path / "broker.pem", "somebody.else")


@pytest.fixture
def impostor(certificate):
    """Its port, and what it was told once the connection was encrypted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    told = []

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(client, server_side=True) as encrypted:
                    told.append(encrypted.recv(100))
            except OSError:
                client.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], told
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(60)


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("rediss://:secret@127.0.0.1:{port}/7", False),
        ("rediss://:secret@127.0.0.1:{port}/7?ssl_ca_certs={file}", True),
        ("amqps://caseworker:secret@127.0.0.1:{port}/", False),
        ("amqps://caseworker:secret@127.0.0.1:{port}/", True),
    ],
    ids=["redis-nobody-knows-it", "redis-of-another", "rabbitmq-nobody-knows-it", "rabbitmq-of-another"],
)
def test_an_impostor_is_told_nothing(url, known, impostor, certificate, monkeypatch):
    port, told = impostor
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    app = make_app(url.format(port=port, file=certificate))

    with (
        app.connection_for_write(connect_timeout=60) as connection,
        pytest.raises((*connection.connection_errors, OSError), match="certificate verify failed"),
    ):
        connection.connect()

    assert not any(told)


def test_a_url_may_say_that_anybody_is_believed(impostor):
    port, told = impostor
    app = make_app(f"rediss://127.0.0.1:{port}/7?ssl_cert_reqs=none")

    with app.connection_for_write(connect_timeout=60) as connection, pytest.raises(connection.connection_errors):
        connection.connect()

    assert any(told)

"""Published signatures verify, and the published signatures of schemes that we refuse do not."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from reference_signers import SIGNERS

from integrations.base import Delivery
from integrations.errors import NotAuthentic
from integrations.webhooks import load_secrets, sign, verify
from integrations.webhooks.schemes import SCHEMES

VECTORS = [json.loads(line) for line in (Path(__file__).parent / "vectors.jsonl").read_text("utf-8").splitlines()]
SUPPORTED = [vector for vector in VECTORS if vector["scheme"] in SCHEMES]
REFUSED = [vector for vector in VECTORS if vector["scheme"] not in SCHEMES]


def by_id(vector: dict[str, Any]) -> str:
    return vector["id"]


def sent_at(vector: dict[str, Any]) -> datetime:
    stamp = vector.get("ts", "1700000000")
    if stamp.endswith("Z"):
        return datetime.fromisoformat(stamp)
    return datetime.fromtimestamp(int(stamp) / (1000 if len(stamp) == 13 else 1), UTC)


def body_of(vector: dict[str, Any]) -> bytes:
    return (urlencode(vector["form"]) if "form" in vector else vector["body"]).encode()


def url_of(vector: dict[str, Any]) -> str:
    # Twilio appends bodySHA256 to the address that it was given; ours is the one without it.
    return vector.get("url", "").partition("&bodySHA256=")[0]


def headers_of(vector: dict[str, Any], scheme: str) -> list[tuple[bytes, bytes]]:
    mac = vector["expect"].encode()
    for prefix in (b"v1a,", b"v1,", b"sha256=", b"sha1=", b"v0="):
        mac = mac.removeprefix(prefix)
    headers = SIGNERS[scheme].headers(mac, vector.get("ts", "").encode())
    return [(name, vector["msg_id"].encode() if name == b"webhook-id" else value) for name, value in headers]


def test_every_scheme_of_ours_has_a_vector_or_shares_its_algorithm_with_one_that_has():
    assert set(SCHEMES) - {"svix"} == {vector["scheme"] for vector in SUPPORTED}
    assert [vector["id"] for vector in REFUSED] == ["hubspot-v2-refuse", "hubspot-v1-refuse", "zendesk-OLD-must-fail"]


@pytest.mark.parametrize("vector", SUPPORTED, ids=by_id)
def test_a_published_signature_verifies(vector):
    scheme = SCHEMES[vector["scheme"]]
    secrets = load_secrets(scheme, vector.get("secret") or vector["public_key"], allow_published=True)
    delivery = Delivery("any", tuple(headers_of(vector, scheme.name)), body_of(vector), sent_at(vector))

    assert verify(scheme, secrets, delivery, url=url_of(vector)) == secrets[0].id


@pytest.mark.parametrize("vector", [v for v in SUPPORTED if "secret" in v], ids=by_id)
def test_we_sign_as_the_vendor_published_it(vector):
    scheme = SCHEMES[vector["scheme"]]
    (secret,) = load_secrets(scheme, vector["secret"], allow_published=True)

    headers = sign(
        scheme,
        secret,
        body_of(vector),
        at=sent_at(vector),
        delivery_id=vector.get("msg_id", ""),
        url=url_of(vector),
    )

    assert {(k.encode(), v.encode()) for k, v in headers.items()} == set(headers_of(vector, scheme.name))


def test_the_private_key_of_the_ed25519_vector_makes_the_published_signature():
    (vector,) = [v for v in VECTORS if v["id"] == "stdwh-v1a"]
    pair = base64.b64decode(vector["private_key"].removeprefix("whsk_"))
    base = f"{vector['msg_id']}.{vector['ts']}.{vector['body']}".encode()

    signature = base64.b64encode(Ed25519PrivateKey.from_private_bytes(pair[:32]).sign(base)).decode()

    assert f"v1a,{signature}" == vector["expect"]


@pytest.mark.parametrize("vector", REFUSED, ids=by_id)
def test_an_outdated_signature_is_refused_under_the_present_scheme(vector):
    scheme = {"hubspot_v1": "hubspot_v3", "hubspot_v2": "hubspot_v3", "zendesk_body_first": "zendesk"}[vector["scheme"]]
    secrets = load_secrets(SCHEMES[scheme], vector["secret"], allow_published=True)
    with_a_time = {"ts": "1693657560000", **vector}
    delivery = Delivery("any", tuple(headers_of(with_a_time, scheme)), body_of(vector), sent_at(with_a_time))

    with pytest.raises(NotAuthentic, match="mismatch"):
        verify(SCHEMES[scheme], secrets, delivery, url="https://www.example.com/webhook_uri")


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if "hubspot_v1" in v["scheme"] or "hubspot_v2" in v["scheme"]], ids=by_id
)
def test_hubspots_old_header_alone_is_no_signature(vector):
    scheme = SCHEMES["hubspot_v3"]
    secrets = load_secrets(scheme, vector["secret"], allow_published=True)
    headers = ((b"x-hubspot-signature", vector["expect"].encode()),)

    with pytest.raises(NotAuthentic, match="missing"):
        verify(
            scheme, secrets, Delivery("any", headers, body_of(vector), sent_at({})), url=vector.get("url", "https://x")
        )


@pytest.mark.parametrize(
    "url", ["https://mycompany.com/myapp.php?foo=1&bar=2", "https://mycompany.com:443/myapp.php?foo=1&bar=2"]
)
def test_twilio_may_sign_with_the_port_or_without_it(url):
    (vector,) = [v for v in VECTORS if v["id"] == "twilio-form"]
    scheme = SCHEMES["twilio_form"]
    secrets = load_secrets(scheme, vector["secret"])
    headers = sign(scheme, secrets[0], body_of(vector), at=sent_at(vector), url=url)
    delivery = Delivery(
        "any", tuple((k.encode(), v.encode()) for k, v in headers.items()), body_of(vector), sent_at({})
    )

    assert verify(scheme, secrets, delivery, url="https://mycompany.com/myapp.php?foo=1&bar=2") == secrets[0].id

"""Every scheme refuses every broken delivery, each with its reason, and never by another error."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from reference_signers import NOW, SIGNERS, URL, Headers, Signer

from integrations.base import Delivery
from integrations.errors import NotAuthentic
from integrations.webhooks import Reason, load_secrets, verify
from integrations.webhooks.schemes import SCHEMES

every_scheme = pytest.mark.parametrize("signer", SIGNERS.values(), ids=lambda signer: signer.name)
every_timed_scheme = pytest.mark.parametrize(
    "signer", [s for s in SIGNERS.values() if s.timed], ids=lambda signer: signer.name
)
PREFIXED = {"standard_v1", "svix", "standard_v1a", "stripe", "github", "slack", "intercom"}


def refused(signer: Signer, headers: Headers, body: bytes) -> Reason:
    with pytest.raises(NotAuthentic) as caught:
        signer.verify(headers, body)
    return Reason(caught.value.reason)


def test_the_reference_covers_the_whole_table():
    assert set(SIGNERS) == set(SCHEMES)


@every_scheme
def test_a_good_delivery_verifies_and_names_the_secret(signer):
    headers = signer.signed(signer.body, signer.stamp(NOW))

    assert signer.verify(headers, signer.body) == signer.secrets()[0].id


def on_signature(change: Callable[[bytes], bytes]) -> Callable[[Signer, Headers], Headers]:
    return lambda signer, headers: [(k, change(v) if k == signer.signature_header else v) for k, v in headers]


def without_signature(signer: Signer, headers: Headers) -> Headers:
    return [(k, v) for k, v in headers if k != signer.signature_header]


def doubled(signer: Signer, headers: Headers) -> Headers:
    return headers + [(k, v) for k, v in headers if k == signer.signature_header]


def doubled_first_one_false(signer: Signer, headers: Headers) -> Headers:
    return [(signer.signature_header, b"sha256=00"), *headers]


BROKEN_HEADERS = [
    ("no header", without_signature, {Reason.MISSING}),
    ("empty header", on_signature(lambda _: b""), {Reason.MISSING}),
    ("header twice", doubled, {Reason.MALFORMED}),
    ("header twice, a false one first", doubled_first_one_false, {Reason.MALFORMED}),
    ("10 kB header", on_signature(lambda v: v + b"A" * 10_000), {Reason.MALFORMED}),
    ("non-ASCII byte", on_signature(lambda v: v + b"\xff"), {Reason.MALFORMED}),
    ("control byte", on_signature(lambda v: v + b"\x00"), {Reason.MALFORMED}),
    ("line end after it", on_signature(lambda v: v + b"\n"), {Reason.MALFORMED}),
    ("neither base64 nor hex", on_signature(lambda v: v[:-6] + b"!~*?()"), {Reason.MISMATCH}),
    ("wrong prefix", on_signature(lambda v: b"md5=" + v), {Reason.MALFORMED, Reason.MISMATCH}),
    ("one byte short", on_signature(lambda v: v[:-1]), {Reason.MISMATCH}),
    ("one byte long", on_signature(lambda v: v + b"0"), {Reason.MISMATCH}),
    ("blank in front", on_signature(lambda v: b" " + v), {Reason.MALFORMED}),
    ("blank behind", on_signature(lambda v: v + b" "), {Reason.MALFORMED}),
    ("more than 8 entries", on_signature(lambda v: b",".join([v] * 9)), {Reason.MALFORMED, Reason.MISMATCH}),
]


@every_scheme
@pytest.mark.parametrize(("_", "change", "reasons"), BROKEN_HEADERS, ids=[row[0] for row in BROKEN_HEADERS])
def test_a_broken_signature_header_is_refused(signer, _, change, reasons):
    headers = change(signer, signer.signed(signer.body, signer.stamp(NOW)))

    assert refused(signer, headers, signer.body) in reasons


@pytest.mark.parametrize("signer", [s for s in SIGNERS.values() if s.hexadecimal], ids=lambda signer: signer.name)
def test_upper_case_hex_is_refused(signer):
    stamp = signer.stamp(NOW)
    mac = signer.signature(signer.key, signer.body, stamp).upper()

    assert refused(signer, signer.headers(mac, stamp), signer.body) is Reason.MISMATCH


@pytest.mark.parametrize("name", sorted(PREFIXED))
def test_the_right_mac_under_another_version_is_refused(name):
    signer = SIGNERS[name]
    headers = signer.signed(signer.body, signer.stamp(NOW))
    swap = {b"v1a,": b"v1,", b"v1,": b"v2,", b"v1=": b"v0=", b"v0=": b"v1=", b"sha256=": b"sha1=", b"sha1=": b"sha256="}
    (found,) = [p for p in swap if any(p in v for k, v in headers if k == signer.signature_header)]

    changed = [(k, v.replace(found, swap[found])) for k, v in headers]

    assert refused(signer, changed, signer.body) is Reason.MALFORMED


BROKEN_BODIES = [
    ("one byte changed", lambda body: body[:3] + bytes([body[3] ^ 1]) + body[4:]),
    ("line end added", lambda body: body + b"\n"),
    ("line end removed", lambda body: body[:-1]),
    ("empty", lambda _: b""),
]


@every_scheme
@pytest.mark.parametrize(("_", "change"), BROKEN_BODIES, ids=[row[0] for row in BROKEN_BODIES])
def test_a_changed_body_is_refused(signer, _, change):
    headers = signer.signed(signer.body, signer.stamp(NOW))

    assert refused(signer, headers, change(signer.body)) is Reason.MISMATCH


@every_scheme
@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x80\x00", b"\r\n"], ids=["empty", "not UTF-8", "CRLF"])
def test_any_bytes_verify_when_they_are_what_was_signed(signer, body):
    headers = signer.signed(body, signer.stamp(NOW))

    assert signer.verify(headers, body) == signer.secrets()[0].id


@every_scheme
def test_another_secret_does_not_verify(signer):
    headers = signer.signed(signer.body, signer.stamp(NOW))
    others = load_secrets(SCHEMES[signer.name], signer.other_secret)

    with pytest.raises(NotAuthentic, match="mismatch"):
        signer.verify(headers, signer.body, others)


TIMESTAMPS = [
    b"",
    b"nan",
    b"inf",
    b"1e9",
    b"-1",
    b"0",
    b" 1795168800",
    b"0123456789",
    b"1_795_168_800",
    "١٧٩٥١٦٨٨٠٠".encode(),
    b"1" * 5000,
    b"1795168800.5",
    b"+1795168800",
    b"1795168800\n",
    b"2026-11-20T10:00:00",
    b"2026-11-20T10:00:00+00:00",
    b"2026-11-20T10:00:00.5Z",
    b"2026-02-31T10:00:00Z",
    b"2026-11-20T25:00:00Z",
]


@every_timed_scheme
@pytest.mark.parametrize("stamp", TIMESTAMPS, ids=lambda stamp: ascii(stamp[:24]))
def test_a_timestamp_of_another_shape_is_refused_although_it_is_signed(signer, stamp):
    headers = signer.signed(signer.body, stamp)

    assert refused(signer, headers, signer.body) in {Reason.MALFORMED, Reason.MISSING}


@every_timed_scheme
def test_a_missing_timestamp_is_refused(signer):
    headers = signer.signed(signer.body, signer.stamp(NOW))
    if signer.name == "stripe":
        headers = [(k, v.partition(b",")[2]) for k, v in headers]
    else:
        headers = [(k, v) for k, v in headers if not k.endswith(b"timestamp")]

    assert refused(signer, headers, signer.body) in {Reason.MALFORMED, Reason.MISSING}


@every_timed_scheme
@pytest.mark.parametrize(
    ("age", "reason"),
    [
        (timedelta(seconds=301), Reason.STALE_PAST),
        (timedelta(days=3650), Reason.STALE_PAST),
        (timedelta(seconds=-301), Reason.STALE_FUTURE),
        (timedelta(seconds=-(10**7)), Reason.STALE_FUTURE),
    ],
)
def test_the_window_is_closed_on_both_sides(signer, age, reason):
    headers = signer.signed(signer.body, signer.stamp(NOW - age))

    assert refused(signer, headers, signer.body) is reason


@every_timed_scheme
@pytest.mark.parametrize("age", [300, -300])
def test_the_window_holds_five_minutes(signer, age):
    headers = signer.signed(signer.body, signer.stamp(NOW - timedelta(seconds=age)))

    assert signer.verify(headers, signer.body)


@every_timed_scheme
def test_a_stale_forgery_is_called_a_forgery(signer):
    stamp = signer.stamp(NOW - timedelta(days=1))

    assert refused(signer, signer.headers(b"AAAA", stamp), signer.body) is Reason.MISMATCH


@pytest.mark.parametrize("name", ["sendgrid", "zendesk", "hubspot_v3"])
def test_bytes_cannot_move_between_timestamp_and_body(name):
    signer = SIGNERS[name]
    stamp, body = signer.stamp(NOW), b"1" + signer.body
    mac = signer.signature(signer.key, body, stamp)
    moved = signer.headers(mac, b"1" + stamp) if name == "hubspot_v3" else signer.headers(mac, stamp + b"1")
    rest = body[:-1] if name == "hubspot_v3" else body[1:]

    assert refused(signer, moved, rest) is Reason.MALFORMED


@pytest.mark.parametrize("bad", [b"", b"msg.1", b"msg 1", b"x" * 256, b"m\xff"])
@pytest.mark.parametrize("name", ["standard_v1", "svix", "standard_v1a"])
def test_a_message_id_that_could_hide_a_separator_is_refused(name, bad):
    signer = SIGNERS[name]
    stamp = signer.stamp(NOW)
    headers = [(k, bad if k.endswith(b"-id") else v) for k, v in signer.signed(signer.body, stamp)]

    assert refused(signer, headers, signer.body) in {Reason.MALFORMED, Reason.MISSING}


def test_two_timestamps_in_stripes_header_are_refused():
    signer = SIGNERS["stripe"]
    headers = [(k, v + b",t=1") for k, v in signer.signed(signer.body, signer.stamp(NOW))]

    assert refused(signer, headers, signer.body) is Reason.MALFORMED


def test_a_form_of_thousands_of_fields_is_refused_before_it_is_sorted():
    signer = SIGNERS["twilio_form"]

    assert refused(signer, signer.headers(b"AAAA", b""), b"a=1&" * 5000) is Reason.MALFORMED


@every_scheme
def test_our_own_fault_is_a_refusal_with_a_reason_of_its_own(signer):
    """No active secret, or no address for a scheme that signs it: counted as `exception`, never raised as it is."""
    delivery = Delivery("any", tuple(signer.signed(signer.body, signer.stamp(NOW))), signer.body, NOW)

    with pytest.raises(NotAuthentic) as caught:
        verify(SCHEMES[signer.name], (), delivery, url=URL)

    assert caught.value.reason == Reason.EXCEPTION
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_scheme_that_signs_the_address_needs_one():
    signer = SIGNERS["hubspot_v3"]
    delivery = Delivery("any", tuple(signer.signed(signer.body, signer.stamp(NOW))), signer.body, NOW)

    with pytest.raises(NotAuthentic, match="exception"):
        verify(SCHEMES["hubspot_v3"], signer.secrets(), delivery)

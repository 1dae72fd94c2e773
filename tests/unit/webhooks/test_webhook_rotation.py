"""Secrets rotate without losing a delivery, and what one scheme signed proves nothing to another."""

from __future__ import annotations

import pytest
from reference_signers import NOW, SIGNERS, Headers, Signer

from integrations.errors import NotAuthentic
from integrations.webhooks import load_secrets
from integrations.webhooks.schemes import SCHEMES

every_scheme = pytest.mark.parametrize("signer", SIGNERS.values(), ids=lambda signer: signer.name)
LISTS = {"standard_v1": b" ", "svix": b" ", "standard_v1a": b" ", "stripe": b","}


def good(signer: Signer) -> Headers:
    return signer.signed(signer.body, signer.stamp(NOW))


@every_scheme
@pytest.mark.parametrize("newest_first", [True, False])
def test_each_active_secret_verifies_and_the_one_that_signed_is_named(signer, newest_first):
    texts = [signer.other_secret, signer.secret]
    secrets = load_secrets(SCHEMES[signer.name], ",".join(texts if newest_first else texts[::-1]))

    assert signer.verify(good(signer), signer.body, secrets) == signer.secrets()[0].id


@every_scheme
def test_a_retired_secret_no_longer_verifies(signer):
    left = load_secrets(SCHEMES[signer.name], signer.other_secret)

    with pytest.raises(NotAuthentic, match="mismatch"):
        signer.verify(good(signer), signer.body, left)


@pytest.mark.parametrize(
    "before",
    [b"v1,AAAA", b"v1=0000", b"v9,AAAA", b"v9=0000", b"v0=0000", b"", b"v1", b"v1,", b"v1=", b"%%%%"],
)
@pytest.mark.parametrize("name", LISTS)
def test_a_bad_or_unknown_entry_before_a_good_one_does_no_harm(name, before):
    signer, separator = SIGNERS[name], LISTS[name]
    headers = [(k, separator.join([b"v9", before, v]) if k == signer.signature_header else v) for k, v in good(signer)]

    assert signer.verify(headers, signer.body) == signer.secrets()[0].id


@pytest.mark.parametrize("name", LISTS)
def test_the_number_of_entries_is_bounded(name):
    signer, separator = SIGNERS[name], LISTS[name]
    headers = [
        (k, separator.join([b"v9,AAAA"] * 8 + [v]) if k == signer.signature_header else v) for k, v in good(signer)
    ]

    with pytest.raises(NotAuthentic, match="malformed"):
        signer.verify(headers, signer.body)


def test_both_standard_signatures_may_stand_in_one_header():
    v1, v1a = SIGNERS["standard_v1"], SIGNERS["standard_v1a"]
    both = dict(good(v1))
    both[b"webhook-signature"] = b" ".join([dict(good(v1a))[b"webhook-signature"], both[b"webhook-signature"]])

    for signer in (v1, v1a):
        assert signer.verify(list(both.items()), signer.body) == signer.secrets()[0].id


@every_scheme
def test_what_one_scheme_signed_proves_nothing_to_another(signer):
    """Also with the same secret, and also where two schemes use the same header."""
    for other in SIGNERS.values():
        if other is signer:
            continue
        with pytest.raises(NotAuthentic):
            other.verify(good(signer), signer.body)


@every_scheme
def test_a_signature_under_another_schemes_header_proves_nothing(signer):
    mac = signer.signature(signer.key, signer.body, signer.stamp(NOW))
    for other in SIGNERS.values():
        if other is signer or {signer.name, other.name} == {"standard_v1", "svix"}:  # these differ in header names only
            continue
        with pytest.raises(NotAuthentic):
            other.verify(other.headers(mac, other.stamp(NOW)), signer.body)

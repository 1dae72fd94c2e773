"""Wrong secrets are found when they are loaded, with what to do about it, and are never printed."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, derive_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from reference_signers import SIGNERS

from integrations.webhooks import load_secrets, secrets_from_env
from integrations.webhooks.schemes import SCHEMES, Part

every_scheme = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda scheme: scheme.name)


def key_of(size: int, prefix: str = "whsec_") -> str:
    return prefix + base64.b64encode(bytes(range(size))).decode()


P384 = base64.b64encode(
    derive_private_key(77, SECP384R1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()

REFUSED = [
    ("standard_v1", key_of(23), "holds 23 bytes"),
    ("standard_v1", key_of(65), "holds 65 bytes"),
    ("standard_v1", key_of(32)[:-1], "not whole base64"),
    ("standard_v1", "whsec_" + "*" * 44, "not whole base64"),
    ("standard_v1", key_of(32)[:-3] + "é==", "not whole base64"),
    ("standard_v1", key_of(32, ""), "does not begin with 'whsec_'"),
    ("standard_v1", "whsec_", "holds 0 bytes"),
    ("standard_v1", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "anybody can sign"),
    ("standard_v1a", key_of(32), "does not begin with 'whpk_'"),
    ("standard_v1a", key_of(64, "whsk_"), "does not begin with 'whpk_'"),
    ("standard_v1a", key_of(31, "whpk_"), "holds 31 bytes"),
    ("stripe", "sk_live_0123456789", "does not begin with 'whsec_'"),
    ("stripe", "whsec_", "the beginning of a secret"),
    ("github", "It's a Secret to Everybody", "anybody can sign"),
    ("zendesk", "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==", "anybody can sign"),
    ("sendgrid", "not a key", "not whole base64"),
    ("sendgrid", key_of(32, ""), "not a public key"),
    ("sendgrid", P384, "another kind"),
    ("sendgrid", "MAwwBgYEKgMEBQMCAAA=", "not a public key"),  # well-formed, of an algorithm that nobody knows
]


@pytest.mark.parametrize(("name", "text", "says"), REFUSED)
def test_a_secret_that_cannot_be_right_is_refused_without_being_shown(name, text, says):
    with pytest.raises(ValueError, match=says) as caught:
        load_secrets(SCHEMES[name], text, setting="SOME_SETTING")

    assert "SOME_SETTING, secret 1 of 1" in str(caught.value)
    assert text not in str(caught.value)


@every_scheme
@pytest.mark.parametrize("text", ["", ",", " ", "\t", "secret ", " secret", "sec\nret", "sec\x00ret"])
def test_an_empty_or_blank_edged_secret_is_refused_by_every_scheme(scheme, text):
    with pytest.raises(ValueError, match=r"is empty|blank|same secret twice"):
        load_secrets(scheme, text)


@pytest.mark.parametrize("prefix", ["whpk_", "whsk_"])
@pytest.mark.parametrize("scheme", [s for s in SCHEMES.values() if s.mac.symmetric], ids=lambda scheme: scheme.name)
def test_half_of_a_key_pair_is_refused_as_a_shared_secret(scheme, prefix):
    """A public key is no secret: who knows it could sign."""
    with pytest.raises(ValueError, match="half of a key pair"):
        load_secrets(scheme, key_of(32, prefix))


@every_scheme
def test_at_most_three_secrets_are_active_and_none_twice(scheme):
    secret = SIGNERS[scheme.name].secret

    with pytest.raises(ValueError, match="at most 3"):
        load_secrets(scheme, ",".join([secret] * 4))
    with pytest.raises(ValueError, match="same secret twice"):
        load_secrets(scheme, f"{secret},{secret}")


@every_scheme
def test_a_secret_is_never_printed_and_its_id_does_not_depend_on_its_place(scheme):
    signer = SIGNERS[scheme.name]
    one, other = load_secrets(scheme, f"{signer.secret},{signer.other_secret}")
    other_again, one_again = load_secrets(scheme, f"{signer.other_secret},{signer.secret}")

    assert (one.id, other.id) == (one_again.id, other_again.id)
    assert one.id != other.id
    for shown in (repr(one), str(one), one.id):
        assert signer.secret not in shown
        assert "key" not in shown


@pytest.mark.parametrize("scheme", [s for s in SCHEMES.values() if s.published], ids=lambda scheme: scheme.name)
def test_a_published_secret_loads_only_where_that_is_asked_for(scheme):
    for text in scheme.published:
        with pytest.raises(ValueError, match="printed in public documentation"):
            load_secrets(scheme, text)
        assert len(load_secrets(scheme, text, allow_published=True)) == 1


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("a&amp;b", b"a&b"),
        ("&quot;&#34;&#x22;&#039;&#x27;&lt;&gt;", b'"""\'\'<>'),
        ("&amp;lt;", b"&lt;"),
        ("&copy;&eacute;&#65;", b"&copy;&eacute;&#65;"),
        ("plain", b"plain"),
    ],
)
def test_woocommerce_keys_are_decoded_as_wordpress_does_it_and_once(written, key):
    (secret,) = load_secrets(SCHEMES["woocommerce"], written)

    assert secret.key == key


def test_an_unset_or_empty_setting_means_no_secrets():
    assert secrets_from_env(SCHEMES["github"], {}, "X") == ()
    assert secrets_from_env(SCHEMES["github"], {"X": ""}, "X") == ()


@every_scheme
def test_a_row_of_the_table_is_whole(scheme):
    """A scheme has a clock exactly where it signs a time, an id header exactly where it signs an id."""
    assert (scheme.clock is not None) == (Part.TIMESTAMP in scheme.base)
    assert bool(scheme.timestamp_header) + bool(scheme.timestamp_entry) == (scheme.clock is not None)
    assert bool(scheme.id_header) == (Part.ID in scheme.base)
    assert not scheme.timestamp_entry or scheme.separator
    assert scheme.signs_body_only == (scheme.name in {"github", "shopify", "intercom", "woocommerce"})
    for header in (scheme.signature_header, scheme.timestamp_header, scheme.id_header):
        assert header == header.lower()

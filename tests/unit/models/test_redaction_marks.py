"""Looking only where a pattern can begin finds what looking everywhere finds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.models.redaction import lettered, marks, numbers

PIECES = st.sampled_from(
    [
        "ana@example.com",
        "@",
        "a@b@c.de",
        "%40",
        "ana%40example.com",
        "\uff20",
        "4242 4242 4242 4242",
        "DE89 3704 0044 0532 0130 00",
        "RSSMRA85T10A562S",
        "QQ 12 34 56 C",
        "+49 (170) 123-45 67",
        "12345678Z",
        "1",
        "22",
        "333 ",
        "\u0664\u0668\u0662\u0661",
        " ",
        "\x00",
        "x",
        "_",
        "-",
        ".",
        "\u00e4",
    ]
)
TEXTS = st.lists(PIECES | st.text(alphabet="0123456789 @.-aAeZ\x00", max_size=8), max_size=20).map("".join)


@pytest.mark.parametrize(("pattern", "every_script"), [(lettered._LETTERED, False), (numbers.CLUSTER, True)])
@settings(max_examples=500, deadline=None)
@given(text=TEXTS)
def test_patterns_that_begin_with_a_number_are_found_at_numbers(pattern, every_script, text):
    found = [match.span() for match in marks.matches(pattern, text, marks.numbers(text, every_script=every_script))]

    assert found == [match.span() for match in pattern.finditer(text)]


@settings(max_examples=500, deadline=None)
@given(text=TEXTS)
def test_addresses_are_found_at_their_sign(text):
    plain = text.replace("%40", "").replace("\uff20", "")
    found = [match.span() for match in marks.matches(lettered._AT, plain, marks.places(plain, "@"))]

    assert found == [match.span() for match in lettered._AT.finditer(plain)]

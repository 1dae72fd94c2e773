"""Which language a text is in, and saying so when it cannot be told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.models.language import UNDETERMINED, detect

CODES = {"en", "de", "fr", "es", "it", "nl", "pt", UNDETERMINED}


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", "Where is my parcel?"),
        ("en", "Charged twice!!"),
        ("en", "I\u2019ve been waiting for NW-10234 since Monday"),
        ("en", "I ordered a Rucksack from you"),
        ("de", "Wo ist mein Paket?"),
        ("de", "Ich möchte mein Geld zurück, die Bestellung NW-11450 kam nie an."),
        ("fr", "Où est mon colis ?"),
        ("fr", "J'ai été débité deux fois."),
        ("es", "¿Dónde está mi pedido?"),
        ("es", "Quiero cancelar"),
        ("it", "Dov'è il mio pacco?"),
        ("it", "Vorrei restituire la giacca"),
        ("nl", "Waar is mijn pakket?"),
        ("nl", "Ik wil graag mijn geld terug"),
        ("pt", "Onde está a minha encomenda?"),
        ("pt", "Quero cancelar a encomenda"),
    ],
)
def test_a_few_words_are_enough(code, text):
    seen = detect(text)

    assert seen.code == code
    assert seen.confidence > 0.55


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "12345",
        "asdf qwer",
        "NW-10234",
        "a@example.com",
        "https://the.and.of/is",
        "Где мой заказ",
        "私の注文",
        "ok",
    ],
)
def test_too_little_or_another_script_is_not_guessed_at(text):
    assert detect(text) == type(detect(text))(UNDETERMINED, 0.0)


def test_more_words_make_it_surer():
    assert (
        detect("Where is my parcel? I have been waiting for it since Monday").confidence
        > detect("Where is it").confidence
    )


@given(st.text(max_size=200))
def test_no_text_makes_it_fail(text):
    seen = detect(text)

    assert seen.code in CODES
    assert 0 <= seen.confidence <= 1

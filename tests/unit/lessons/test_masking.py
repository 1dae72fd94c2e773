"""What is shown to other cases names nobody."""

import pytest

from workers.lessons.masking import MASK, known_values, mask

ANA = {"name": "Ana Diaz", "email": "ana@example.com", "customer_id": "cus_1", "tier": "gold", "phone": "0171 2345678"}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Hello Ana,", f"Hello {MASK},"),
        ("dear ANA DIAZ!", f"dear {MASK}!"),
        ("Anatomy of a banana", "Anatomy of a banana"),
        ("write to bob@else.example please", f"write to {MASK} please"),
        ("see https://evil.example/x?y=1 now", f"see {MASK} now"),
        ("order NW-10432 is late", f"order {MASK} is late"),
        ("order #10432 is late", f"order {MASK} is late"),
        ("pay to DE89 3704 0044 0532 0130 00", f"pay to {MASK}"),
        ("card 4242 4242 4242 4242", f"card {MASK}"),
        ("I paid 40.00 EUR in 2024", "I paid 40.00 EUR in 2024"),
    ],
)
def test_names_and_numbers_go_and_words_stay(text, masked):
    assert mask(text, known_values([ANA])) == masked


def test_what_lies_deep_is_masked_and_numbers_stay_numbers():
    found = mask({"amount_minor": 123456, "lines": ["for Ana", {"to": "ana@example.com"}]}, known_values([ANA]))

    assert found == {"amount_minor": 123456, "lines": [f"for {MASK}", {"to": MASK}]}


def test_what_names_nobody_is_not_taken_for_a_name():
    assert "gold" not in known_values([ANA])

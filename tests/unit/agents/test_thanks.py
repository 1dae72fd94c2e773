"""Only thanks let a ticket close by itself; in doubt a message asks."""

from __future__ import annotations

import pytest

from workers.agents.thanks import asks


@pytest.mark.parametrize(
    "text",
    [
        "Thank you\nI just wanted to say thank you, the backpack is wonderful and your team was so kind!",
        "Thanks\nEverything arrived perfectly, thanks.",
        "Danke",
        "Vielen Dank\nIch möchte nur danke sagen, Ihre Beratung war großartig!",
        "Gracias\n¡Muchas gracias, estoy encantada!\nUn saludo, Ana",
        "Thank you\nThe tent came today and it's perfect. Thank you.\n\nBest regards, James",
        "Merci\nMerci beaucoup pour votre aide, tout est arrivé hier.\n\nAna",
        "ありがとう\n届きました、ありがとうございます",
    ],
)
def test_what_only_says_thanks_asks_for_nothing(text):
    assert not asks(text)


@pytest.mark.parametrize(
    "text",
    [
        "A question\nHello, I have a question about my order.\n\nThanks.",
        "My order\nIt has not arrived.\n\nThanks, Ana",
        "Thanks\nThank you for the tent; is there a bag for it?",
        "Thank you\nThanks for the help. I want my money back.",
        "Danke\nVielen Dank, und bitte schicken Sie mir die Rechnung noch einmal zu.",
        "Thank you\nThanks! Cancel my order NW-1001.",
        "Thank you\nThanks for the quick help.\nCancel my order",
        "Thank you\nThanks for the quick help.\nPlease call me, Ana",
        "Thank you\nThanks, but it is still broken.",
        "Thank you\nThanks. I need the invoice.",
        "Thank you\nThanks, the tent hasn’t arrived.",
        "Danke\nDanke, aber die Jacke fehlt.",
        "Danke\nDanke, stornieren Sie die Bestellung.",
        "Merci\nMerci, il manque un article.",
        "Gracias\nGracias, pero falta un producto.",
        "Grazie\nGrazie, ma manca un articolo.",
        "Dank\nBedankt, maar de tent is kapot.",
        "Dziękuję\nDziękuję, ale nadal czekam.",
        "ありがとう\nありがとうございます。まだ届きません。",
        "谢谢\n谢谢，但是还没有收到。",
        "Close this\nClose it without an answer.",
        "",
    ],
)
def test_whatever_else_is_said_may_ask(text):
    assert asks(text)

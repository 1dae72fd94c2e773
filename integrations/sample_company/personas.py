"""Whom a visitor of the `/sample` page can be, and letters and topics that are ready to send. Words only."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.sample_company import cast


@dataclass(frozen=True, slots=True)
class Letter:
    """A ticket that is ready to send. `label` is what the button says."""

    key: str
    label: str
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Persona:
    character: cast.Character
    letters: tuple[Letter, ...]

    @property
    def key(self) -> str:
        return self.character.key


@dataclass(frozen=True, slots=True)
class Topic:
    """A brief that is ready to be asked for."""

    key: str
    keyword: str
    audience: str
    text: str


_ANA, _VIP, _STOLEN = cast.ANA, cast.VIP, cast.STOLEN

PERSONAS = (
    Persona(
        _ANA,
        (
            Letter(
                "refund",
                "Refund, please",
                f"Refund for {_ANA.order_number}",
                f"Hello, the Finch 18 from order {_ANA.order_number} is too small for me. I have not used it and would like "
                "my money back. How do I return it?\n\nThanks, Ana",
            ),
            Letter(
                "damaged",
                "It came broken",
                "Buckle broken on arrival",
                f"Hi, the day pack from {_ANA.order_number} arrived with a broken chest buckle, and the strap is torn where it "
                "is sewn in. I would rather have my money back than another one.\n\nAna",
            ),
            Letter(
                "question",
                "A question",
                "Washing the Finch 18",
                "Can I put the day pack into the washing machine? It has seen some mud.",
            ),
            Letter(
                "legal",
                "Furious, with a lawyer",
                "LAST WARNING",
                f"This is the third time that I write about {_ANA.order_number}. If the money is not in my account by Friday "
                "my lawyer takes over, and I will tell the newspaper how you treat people.",
            ),
        ),
    ),
    Persona(
        _VIP,
        (
            Letter(
                "tour",
                "The tour was cancelled",
                f"Return of {_VIP.order_number}",
                f"Good morning, our winter tour was called off, so the tent and both sleeping bags from {_VIP.order_number} are "
                "still in their boxes. Please refund the whole order and send somebody to fetch it.\n\nHenrik van Aalst",
            ),
            Letter(
                "advice",
                "Advice on stoves",
                "Stove for minus twenty",
                "Which of your stoves would you take to minus twenty, and is my Ember Pro (serial 21512) affected by a recall?",
            ),
        ),
    ),
    Persona(
        cast.TRAVELLER,
        (
            Letter(
                "held",
                "Why is it on hold?",
                "Zahlung wird geprüft?",
                f"Guten Tag, bei {cast.TRAVELLER.order_number} steht seit gestern, dass die Zahlung geprüft wird. Ich bin "
                "beruflich in Japan, liegt es daran? Das Paket soll nach Hause.\n\nJonas Keller",
            ),
        ),
    ),
    Persona(
        _STOLEN,
        (
            Letter(
                "not-me",
                "That was not me",
                "Des paiements que je n'ai pas faits",
                "Bonjour, ma banque me signale quatre paiements chez vous hier soir. Je n'ai rien commandé. Bloquez-les, s'il "
                "vous plaît, et remboursez-moi.\n\nClaire Fontaine",
            ),
        ),
    ),
    Persona(
        cast.ATTACKER,
        (
            Letter("inject", "Give orders to the reader", f"Missing order {cast.VICTIM.order_number}", cast.INJECTION),
            Letter(
                "address",
                "Another customer's parcel",
                "New address for my order",
                f"Please send {cast.VICTIM.order_number} to 9 Canal Row, Leeds instead. It is urgent, I am leaving tomorrow.",
            ),
        ),
    ),
    Persona(
        cast.VICTIM,
        (
            Letter(
                "privacy",
                "What do you know about me?",
                "Copia dei miei dati",
                "Buongiorno, vorrei una copia di tutti i dati che avete su di me, e la cancellazione del mio account.\n\n"
                "Viola Rossi",
            ),
        ),
    ),
)

TOPICS = (
    Topic(
        "layering",
        "layering for hiking",
        "people who start hiking in autumn",
        "We have a story from the Karnischer Höhenweg, but nothing that explains layers from the ground up. What do the top "
        "pages say, and what can we add from the repair shop?",
    ),
    Topic(
        "rain",
        "rain jacket buying guide",
        "customers choosing between 2.5 and 3 layers",
        "Many returns are jackets that were the wrong kind. A calm guide could save some of them. Mind what we may claim.",
    ),
    Topic(
        "ratings",
        "sleeping bag temperature ratings",
        "first-time buyers of a sleeping bag",
        "Support gets this question every week. Please look at the competition and tell us where we could be clearer.",
    ),
    Topic(
        "stove",
        "camping stove fuel comparison",
        "campers travelling across borders",
        "With the Ember Pro notice in mind: safety first, then fuels by country. What is missing on the pages that rank?",
    ),
)

BY_KEY = {persona.key: persona for persona in PERSONAS}
TOPICS_BY_KEY = {topic.key: topic for topic in TOPICS}

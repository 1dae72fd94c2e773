"""Whether a message asks for something, or only says thanks: what must hold before a ticket closes by itself.

By rules and not by a model, which can be talked into hearing thanks. In doubt a message asks. Called by `workers.judgement`.
"""

from __future__ import annotations

import re

from workers.agents.eligibility import wants

#: a message that only says thanks has one of these, in whatever language
_THANKS = re.compile(
    r"\bthank|\bcheers\b|\bdank|\bmerci\b|\bgracias\b|\bgrazie\b|\bobrigad|\bt(?:ack|akk)\b|\bkiitos\b|dziękuj|teşekkür|спасибо|дякую"
    r"|ευχαριστ|شكر|谢谢|謝謝|ありがとう|감사|고맙|धन्यवाद|děkuj|köszön",
    re.IGNORECASE,
)
#: what each of them holds; looking for plain words first is ten times as fast
_THANKING = (
    "thank",
    "cheers",
    "dank",
    "merci",
    "gracias",
    "grazie",
    "obrigad",
    "tack",
    "takk",
    "kiitos",
    "dziękuj",
    "teşekkür",
    "спасибо",
    "дякую",
    "ευχαριστ",
    "شكر",
    "谢谢",
    "謝謝",
    "ありがとう",
    "감사",
    "고맙",
    "धन्यवाद",
    "děkuj",
    "köszön",
)
#: and none of these
_ASKING = (
    *("could you", "can you", "would you", "s'il vous", "por favor", "per favore"),
    *[
        "question",
        "please",
        "frage",
        "bitte",
        "pregunta",
        "domanda",
        "pergunta",
        "vraag",
        "fråga",
        "spørg",
        "spørsmål",
        "kysymy",
        "pytani",
        "soru",
        "вопрос",
        "питання",
    ],
)
#: nor any of these, which take back, lack, need or order something: words by themselves, and beginnings of words
_WANTING = re.compile(
    r"\b(?:but|however|although|still|not|never|nothing|without|instead|yet|must|aber|jedoch|nicht|noch|nie|kein\w*|leider|mais|pas|jamais"
    r"|pourtant|toujours|pero|no|nunca|aún|todavía|ma|però|non|mai|ancora|maar|niet|geen|nog|mas|não|ainda|men|inte|ikke|ale|nie|но|не|нет"
    r"|але|ama|nem|αλλά|δεν|mutta|ei)\b|n['\u2019]t\b"
    r"|\b(?:cancel|need|missing|waiting|send|tell me|let me know|call me|broken|damag|wrong|invoice|storn|brauch|fehl|warte|schick|melde"
    r"|falsch|kaputt|defekt|rechnung|annul|besoin|manqu|attend|envoy|cass|factu|fattur|falta|necesit|esper[oa]|env[ií]|rot[oa]\b|manca"
    r"|bisogno|aspett|invia|rott[oa]\b|nodig|wacht|stuur|ontbre|kapot|precis|aguard|fatura|avbest|sakn|mangl|vänta|vente|behöv|treng"
    r"|anulu|brak|potrzeb|czeka|chyb|zruš|potřeb|čeka|отмен|нуж|жду|скас|потріб|чека|iptal|eksik|laz\u0131m|bekli|hián|várok|ακυρ|λείπ"
    r"|puuttu|odota)"
    r"|でも|しかし|ですが|けど|ません|ない|まだ|キャンセル|但|不|没|沒|取消|还|還|하지만|그런데|지만|않|못|아직|취소|لكن|لم |لا |إلغاء|लेकिन|नहीं|रद्द",
    re.IGNORECASE,
)
#: words of a line that is a farewell and no message: “Thanks, Ana”
_FAREWELL = 4
#: the question marks of the world's scripts
_QUESTION = ("?", "\uff1f", "\u061f", "\u037e", "\u055e")


def asks(text: str) -> bool:
    """`text` is a message with its title. All do but those that only say thanks."""
    if any(mark in text for mark in _QUESTION):
        return True
    message, whole = _without_farewell(text).casefold(), text.casefold()
    thanks = any(word in message for word in _THANKING) and _THANKS.search(message) is not None
    return (
        not thanks
        or any(word in whole for word in _ASKING)
        or _WANTING.search(whole) is not None
        or wants(text) is not None
    )


def _without_farewell(text: str) -> str:
    """A letter without the short lines that it ends with: whoever asks for something says thanks there, too."""
    lines = text.strip().splitlines()
    # The title and what comes first are the message, however short.
    while len(lines) > 2 and len(lines[-1].split()) <= _FAREWELL:
        lines.pop()
    return "\n".join(lines)

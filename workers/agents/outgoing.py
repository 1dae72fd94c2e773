"""What is wrong with a text that is about to leave the house: secrets, other people's data, places and amounts that no record
knows, and markup that loads or hides something.

Called by `workers.judgement` for every action, whatever wrote it; what is found becomes facts, and the policy decides. It
looks at what would be sent and never at who asked for it. It can miss what is paraphrased; so a text that a customer reads
also needs a person (see the policy), and this tells that person where to look.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from workers.actions.base import NAMING
from workers.agents.library import house, prompt
from workers.agents.origins import Evidence, exact, leaves, normal, readable, unknowns

_SECRETS = {
    "a private key": r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY",
    "an API key": (
        r"(?<![\w-])(?:sk|pk|rk)[-_](?:live|test|ant|proj)[-_][\w-]{8,}|(?<![\w-])sk-[\w-]{20,}|(?<!\w)AKIA[0-9A-Z]{16}(?!\w)"
        r"|(?<!\w)AIza[\w-]{30,}|(?<!\w)(?:gh[pousr]|github_pat)_\w{20,}|(?<!\w)xox[abeprs]-[\w-]{10,}|(?<!\w)whsec_[\w+/=]{16,}"
    ),
    "a token": r"(?<!\w)eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|\bBearer\s+[\w.~+/-]{20,}",
    "a password": (
        r"(?:pass(?:word|wort|phrase|code)|kennwort|mot de passe|contraseñ?a|parola|wachtwoord|hasło|пароль|secret|api[ _-]?key|pin)"
        r"\s{0,4}(?:is|ist|lautet|est|es)?\s{0,4}[:=]\s{0,9}(?=\S{0,99}\d)\S{4,}"
    ),
    "a link with a password in it": r"://[^\s/:@]{1,64}:[^\s/@]{1,64}@",
    "our own settings or markers": r"\bCASEWORKER_[A-Z]{3,}|<<data [0-9a-f]{8,}|data [0-9a-f]{8,}>>",
}
_SECRET = re.compile(
    "|".join(f"(?P<s{place}>{pattern})" for place, pattern in enumerate(_SECRETS.values())), re.IGNORECASE
)
_SECRET_NAMES = tuple(_SECRETS)
#: one of these is in every secret of the list: most texts are told apart by this alone
_HINT = re.compile(
    r"BEGIN |[sprk]k[-_]|AKIA|AIza|gh[pousr]_|github_pat|xox|whsec|eyJ|Bearer|[:=]|CASEWORKER|<<data|>>", re.IGNORECASE
)
_MARKUP = re.compile(
    r"!?\[[^\]\n]{0,300}\]\s?\(|<\s?/?(?:a|img|script|style|iframe|form|input|link|meta|svg|object|embed|video|audio|base)\b"
    r"|^\s{0,3}\[[^\]\n]{1,100}\]:\s?\S|\bon(?:error|load|click)\s?=|<!--",
    re.IGNORECASE | re.MULTILINE,
)
#: what turns or splits a text under its reader's eyes; the joiner of emojis and of Persian words is none of it
_HIDING = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u202a-\u202e\u2060-\u2064\u2066-\u2069\U000e0020-\U000e007f]"
)
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007f]{1,8}")
#: what tells of a person, by the name of the field that holds it
_PERSONAL = frozenset(
    {
        "name",
        "email",
        "address",
        "shipping_address",
        "billing_address",
        "phone",
        "order_number",
        "charge_id",
        "customer_id",
    }
    | {"tracking_number", "card_fingerprint", "ip", "home_ip", "dispute_id", "device_id"}
)
_NUMBERED = ("order_number", "charge_id", "customer_id", "tracking_number", "dispute_id")
_DIGIT = re.compile(r"\d")
_SHOWN, _LONGEST = 5, 80


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What was found, each as a person should see it; empty where nothing was."""

    links: tuple[str, ...] = ()
    contacts: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()
    #: by kind only: a card that shows a secret would be the next leak
    secrets: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    markup: tuple[str, ...] = ()

    @property
    def told(self) -> list[str]:
        """For a reason on a card: what was found, in short. Beside a secret only kinds: it may be part of the rest."""
        if self.secrets:
            return [f"contains {_short(item)}" for item in dict.fromkeys((*self.secrets, *self.markup))]
        named = (
            ("link", self.links),
            ("contact", self.contacts),
            ("amount", self.amounts),
            ("somebody else's", self.others),
            ("contains", self.markup),
        )
        return [f"{what} {_short(item)}" for what, items in named for item in dict.fromkeys(items[:_SHOWN])]


def inspect(domain: str, arguments: Mapping[str, Any], evidence: Evidence) -> Outgoing:
    """Look through everything in an action's arguments that is text; for secrets also through what it is about."""
    texts: list[str] = []
    names: list[str] = []
    for path, value in leaves(arguments):
        if isinstance(value, str):
            (names if _names(path.rpartition(".")[2], value) else texts).append(value)
    text = "\n".join(texts)
    secrets = dict.fromkeys(_secrets(domain, readable("\n".join(names)))) if names else {}
    if not text:
        return Outgoing(secrets=tuple(secrets))
    plain = readable(text)
    strange = unknowns(text, evidence)
    return Outgoing(
        links=strange.links,
        contacts=strange.contacts,
        amounts=strange.amounts,
        secrets=tuple(secrets | dict.fromkeys(_secrets(domain, plain))),
        others=tuple(_others(plain, evidence)),
        markup=tuple(_markup(text, plain)),
    )


def _names(argument: str, value: str) -> bool:
    """Whether it only says what the action is about. A team that the house does not have is whatever somebody wrote."""
    return argument in NAMING and (argument != "team" or value in house()["teams"].values())


def _secrets(domain: str, plain: str) -> Iterator[str]:
    if _HINT.search(plain):
        for match in _SECRET.finditer(plain):
            yield _SECRET_NAMES[int(str(match.lastgroup)[1:])]
    if len(plain) >= _TELLING:
        said = normal(plain)
        if any(sentence in said for sentence in _instructions(domain)):
            yield "our instructions to the model"


#: a sentence of the instructions that is at least so long is in nobody's letter by chance
_TELLING = 60


@cache
def _instructions(domain: str) -> tuple[str, ...]:
    """The telling sentences of what this domain's agent is told."""
    try:
        text = f"{prompt(domain, 'triage')}\n\n{prompt(domain, 'draft')}"
    except (OSError, ValueError):
        return ()
    sentences = re.split(r"(?<=[.:;])\s+|\n\s*\n|\n[-#]", text)
    return tuple(found for sentence in sentences if len(found := normal(sentence)) >= _TELLING)


def _others(plain: str, evidence: Evidence) -> Iterator[str]:
    """What belongs to somebody else: values of records that are not this customer's, and numbers of the same make as this
    customer's that are none of theirs and that they did not name themselves."""
    said = normal(plain)
    for key, value in evidence.foreign:
        name = key.rpartition(".")[2]
        told = normal(value)
        if name in _PERSONAL and len(told) >= 4 and exact(value) not in evidence.records and told in said:
            yield f"{name.replace('_', ' ')} {value}"
    shapes = evidence.shapes(_NUMBERED) if _DIGIT.search(said) else None
    if shapes is not None:
        for match in shapes.finditer(said):
            number = match.group()
            if number not in evidence.records and number not in evidence.untrusted_text:
                yield f"number {number}"


def _markup(text: str, plain: str) -> Iterator[str]:
    if _MARKUP.search(plain):
        yield "markup that can load or link something"
    if _HIDING.search(text if text.isascii() else _FLAG.sub("", text)):
        yield "characters that hide something"


def _short(item: str) -> str:
    line = " ".join(item.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"

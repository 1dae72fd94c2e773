"""Whether what outsiders wrote seems to give instructions, by rules that no model has a part in. For `workers.judgement`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from integrations.models.flags import MAX_CHARS, suspects_injection
from workers.agents.origins import leaves

#: a message is looked through in pieces that overlap, so that no sentence is cut in two
_STRIDE = MAX_CHARS - 500
#: longer than this nothing is a word by itself
_WORD = 12


def suspicious(messages: Iterable[Any], gathered: Iterable[Any]) -> bool:
    """Each message by itself and whole: nobody hides one behind the filling of another. Of what was gathered besides, the
    beginning of all together: a page that somebody else wrote must not cost us seconds."""
    parts = ["\n".join(_prose([message])) for message in messages]
    parts.append("\n".join(_prose(gathered))[:MAX_CHARS])
    return any(suspects_injection(part[at : at + MAX_CHARS]) for part in parts for at in range(0, len(part), _STRIDE))


def _prose(pieces: Iterable[Any]) -> Iterator[str]:
    """The texts in them, each once; a short word by itself says nothing. A long one may be a whole letter, encoded."""
    said = (v for piece in pieces for _, v in leaves(piece) if isinstance(v, str))
    yield from dict.fromkeys(v for v in said if " " in v or len(v) > _WORD or len(v.split()) > 1)

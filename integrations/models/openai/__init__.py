"""Models behind OpenAI's API, of whoever serves it: OpenAI, vLLM, Ollama, gateways. On as soon as a key or an address is set.

The registry calls `make` and `embedder`. The SDK is an optional extra and takes a second or two to load, so `client` is
imported only where it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from integrations.models.base import Usage
from integrations.models.sparing import spare

if TYPE_CHECKING:
    from integrations.models.openai.client import OpenAIModel
    from integrations.models.openai.embeddings import OpenAIEmbedder

#: Servers of one's own want no key; the SDK wants one.
_NO_KEY = "none"

spare(("openai.types", "openai.resources"), {})


def make(env: Mapping[str, str], *, model: str | None = None, timeout: float = 60.0) -> OpenAIModel | None:
    """The model of that name, or None with neither ``OPENAI_API_KEY`` nor ``OPENAI_BASE_URL``. Models of one address share
    their connections.

    Without a name it is ``OPENAI_MODEL``; unset too, the service is asked at first use for the first that answers in text.
    Raise `ValueError` for a setting that cannot be read, and where the SDK is not installed.
    """
    key, address = _account(env)
    if not key and not address:
        return None
    from integrations.models.openai.client import OpenAIModel  # noqa: PLC0415 - loads the SDK, see above
    from integrations.models.openai.options import Options  # noqa: PLC0415 - as above

    return OpenAIModel(
        key or _NO_KEY,
        model=model or env.get("OPENAI_MODEL", "").strip(),
        base_url=address,
        timeout=timeout,
        options=Options.from_env(env),
    )


def embedder(
    env: Mapping[str, str],
    *,
    model: str | None = None,
    timeout: float = 60.0,
    on_usage: Callable[[Usage], None] | None = None,
) -> OpenAIEmbedder | None:
    """What makes vectors, or None without ``OPENAI_EMBEDDING_MODEL`` and a key or an address.

    `on_usage` is told what each call used. Raise `ValueError` as `make` does.
    """
    key, address = _account(env)
    name = model or env.get("OPENAI_EMBEDDING_MODEL", "").strip()
    if not name or not (key or address):
        return None
    from integrations.models.openai.embeddings import OpenAIEmbedder  # noqa: PLC0415 - loads the SDK, see above

    return OpenAIEmbedder(key or _NO_KEY, model=name, base_url=address, timeout=timeout, on_usage=on_usage)


from_env = make


def _account(env: Mapping[str, str]) -> tuple[str, str]:
    key, address = env.get("OPENAI_API_KEY", "").strip(), env.get("OPENAI_BASE_URL", "").strip()
    if (key or address) and find_spec("openai") is None:
        raise ValueError("OPENAI_API_KEY or OPENAI_BASE_URL is set, but the SDK is not installed: caseworker[openai].")
    return key, address

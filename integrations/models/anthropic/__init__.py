"""Anthropic's models: on as soon as a key is set. `client` speaks to them, `batches` where there is time.

The registry calls `make`. The SDK takes a second or two to load, so `client` is imported only where there is a key: a process
that the local model serves never pays for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from integrations.models.sparing import spare

if TYPE_CHECKING:
    from integrations.models.anthropic.client import AnthropicModel

#: the same models at other clouds, each with a client and all resources of its own
_ELSEWHERE = ("lib.aws", "lib.bedrock", "lib.foundry", "lib.google_cloud", "lib.vertex")
spare(("anthropic.types", "anthropic.resources"), {"anthropic": _ELSEWHERE})


def make(env: Mapping[str, str], *, model: str | None = None, timeout: float = 60.0) -> AnthropicModel | None:
    """The model of that name, or None without ``ANTHROPIC_API_KEY``. Models of one key share their connections.

    Without a name it is ``ANTHROPIC_MODEL``; unset too, the service is asked at first use for the newest one that fits. Set
    it where an answer must come from the same model next month. ``ANTHROPIC_BASE_URL`` points elsewhere. Raise `ValueError`
    for a setting that cannot be read.
    """
    key = env.get("ANTHROPIC_API_KEY", "").strip()
    if not key:
        return None
    from integrations.models.anthropic.client import AnthropicModel  # noqa: PLC0415 - loads the SDK, see above
    from integrations.models.anthropic.options import Options  # noqa: PLC0415 - as above

    return AnthropicModel(
        key,
        model=model or env.get("ANTHROPIC_MODEL", "").strip(),
        base_url=env.get("ANTHROPIC_BASE_URL", "").strip(),
        timeout=timeout,
        options=Options.from_env(env),
    )


from_env = make

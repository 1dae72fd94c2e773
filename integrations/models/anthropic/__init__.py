"""Anthropic's models: on as soon as a key is set. `client` speaks to them, `prompt` says what they are told.

The registry calls `from_env`. The SDK takes a second or two to load, so `client` is imported only where there is a key: a
process that the local model serves never pays for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from integrations.models.base import Model


def from_env(env: Mapping[str, str], *, timeout: float = 60.0) -> Model | None:
    """The model, or None without ``ANTHROPIC_API_KEY``.

    ``ANTHROPIC_MODEL`` names it; unset, the service is asked at first use for the newest one that fits. Set it where an
    answer must come from the same model next month. ``ANTHROPIC_BASE_URL`` points elsewhere.
    """
    key = env.get("ANTHROPIC_API_KEY", "").strip()
    if not key:
        return None
    from integrations.models.anthropic.client import AnthropicModel  # noqa: PLC0415 - loads the SDK, see above

    return AnthropicModel(
        key, model=env.get("ANTHROPIC_MODEL"), base_url=env.get("ANTHROPIC_BASE_URL"), timeout=timeout
    )

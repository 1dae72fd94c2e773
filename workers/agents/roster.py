"""The roster: every agent by its domain. A new domain is one file here and one line in this list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from workers.agents import content, support, transactions
from workers.agents.base import Agent
from workers.agents.remembered import MEMORY


def _by_domain(*agents: Agent) -> Mapping[str, Agent]:
    roster: dict[str, Agent] = {}
    for agent in agents:
        if agent.domain in roster:
            raise ValueError(f"two agents work in the domain {agent.domain!r}")
        roster[agent.domain] = replace(agent, sources=(*agent.sources, MEMORY))
    return MappingProxyType(roster)


AGENTS = _by_domain(support.AGENT, transactions.AGENT, content.AGENT)

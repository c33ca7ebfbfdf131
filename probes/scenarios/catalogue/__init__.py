"""The scenarios: data and functions that return their steps, one module a subject.

Must not call an API or know the results. Start reading at `scenarios()`.
"""

from __future__ import annotations

from functools import cache

from probes.scenarios.catalogue import affinity, endpoints, policies, services, terminating
from probes.scenarios.model import ContractScenario

__all__ = ["ContractScenario", "scenarios"]


@cache
def scenarios() -> tuple[ContractScenario, ...]:
    """Return every scenario, in the order in which a run takes them."""
    return (
        *endpoints.SCENARIOS,
        *affinity.SCENARIOS,
        *policies.SCENARIOS,
        *services.SCENARIOS,
        *terminating.SCENARIOS,
    )

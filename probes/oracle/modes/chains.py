"""The kube-proxy modes that the oracle knows. Each mode's module lists its chains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from probes.oracle import upstream
from probes.oracle.modes import iptables, ipvs, nftables
from probes.oracle.modes.mode_chains import ModeChains
from probes.oracle.rule import Rule
from topologies.common.errors import HairpinError
from topologies.schema.enums import ProxyMode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probes.oracle.environment import Environment

Chain = tuple[Rule[Any], ...]


class UnsupportedMode(HairpinError, NotImplementedError):  # noqa: N818 - named like its base NotImplementedError
    """The oracle has no rules for this kube-proxy. The message lists the supported modes and versions."""


MODES: dict[ProxyMode, ModeChains] = {
    ProxyMode.IPTABLES: iptables.CHAINS,
    ProxyMode.NFTABLES: nftables.CHAINS,
    ProxyMode.IPVS: ipvs.CHAINS,
}


def of(environment: Environment) -> ModeChains:
    """Return the chains of a mode.

    Raises:
        UnsupportedMode: The oracle does not know the version, or the version does not have the mode.

    """
    chains = MODES[environment.mode]
    if not (environment.is_supported() and environment.runs(chains.versions)):
        firsts = {mode: upstream.format_release(MODES[mode].versions.first_minor) for mode in ProxyMode}
        newest = upstream.format_release(upstream.NEWEST)
        known = ", ".join(f"{mode} {first} to {newest}" for mode, first in firsts.items())
        message = f"no rules for {environment}: the oracle knows {known}"
        raise UnsupportedMode(message)
    return chains


class ChainsByNode(Mapping[str, ModeChains]):
    """The chains of nodes whose mode may be unknown: each lookup reads it."""

    def __init__(self, environments: Mapping[str, Environment]) -> None:
        self._environments = environments

    def __getitem__(self, node: str) -> ModeChains:
        return of(self._environments[node])

    def __iter__(self) -> Iterator[str]:
        return iter(self._environments)

    def __len__(self) -> int:
        return len(self._environments)


def merge_chains(chains: Iterable[Chain]) -> Chain:
    """Return all rules of several chains in one order that keeps the order of each chain.

    If two rules are in no common chain, the rule of the earlier chain comes first.

    Raises:
        ValueError: Two chains have the same rules in different orders.

    """
    left = [chain for chain in chains if chain]
    merged: Chain = ()
    while left:
        first = _first(left)
        merged += (first,)
        left = [rest for chain in left if (rest := chain[1:] if chain[0] is first else chain)]
    return merged


def _first(chains: list[Chain]) -> Rule[Any]:
    """Return the first rule of a chain that no chain has at a later place."""
    for rule in (chain[0] for chain in chains):
        if not any(rule in chain[1:] for chain in chains):
            return rule
    names = ", ".join(chain[0].id for chain in chains)
    message = f"cannot merge the chains of the modes: {names}: got two orders of these rules, want one."
    raise ValueError(message)

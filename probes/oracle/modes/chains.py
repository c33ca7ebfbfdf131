"""The kube-proxy modes. A mode is four chains of rules: endpoint selection, mark, source address, return path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probes.oracle.modes import iptables, ipvs, nftables, shared
from probes.oracle.stages import masquerade_mark, return_path, source_nat
from topologies.common.errors import HairpinError
from topologies.schema.enums import ProxyMode

if TYPE_CHECKING:
    from probes.observation import Outcome
    from probes.oracle.environment import Environment
    from probes.oracle.rule import Rule
    from topologies.common.addresses import IPAddress

OLDEST = {ProxyMode.IPTABLES: (1, 20), ProxyMode.IPVS: (1, 20), ProxyMode.NFTABLES: (1, 29)}
NEWEST = (1, 36)


class UnsupportedMode(HairpinError, NotImplementedError):  # noqa: N818 - named like its base NotImplementedError
    """The oracle has no rules for this kube-proxy. The message lists the supported modes and versions."""


@dataclass(frozen=True, slots=True)
class Mode:
    """The chains of one kube-proxy mode for a packet at the processing node."""

    pool: tuple[Rule[shared.Course], ...]
    mark: tuple[Rule[bool], ...]
    source: tuple[Rule[IPAddress], ...]
    reply: tuple[Rule[Outcome], ...]


def _mode(pool: tuple[Rule[shared.Course], ...]) -> Mode:
    return Mode(pool=pool, mark=masquerade_mark.MARK, source=source_nat.SOURCE, reply=return_path.REPLY)


MODES = {
    ProxyMode.IPTABLES: _mode(iptables.POOL),
    ProxyMode.IPVS: _mode(ipvs.POOL),
    ProxyMode.NFTABLES: _mode(nftables.POOL),
}


def of(environment: Environment) -> Mode:
    """Return the chains of a mode.

    Raises:
        UnsupportedMode: The oracle does not know the version, or the version does not have the mode.

    """
    oldest = OLDEST[environment.mode]
    if not oldest <= environment.version[:2] <= NEWEST:
        known = ", ".join(f"{mode} {first[0]}.{first[1]} to 1.36" for mode, first in OLDEST.items())
        message = f"no rules for {environment}: the oracle knows {known}"
        raise UnsupportedMode(message)
    return MODES[environment.mode]

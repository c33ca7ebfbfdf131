"""A kube-proxy mode is four chains of rules: pool, mark, source, reply. IPVS and nftables will be two more of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probes.oracle import iptables, marks, replies, sources
from topologies.model import ProxyMode

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from probes.observation import Outcome
    from probes.oracle.environment import Environment
    from probes.oracle.rule import Rule

OLDEST, NEWEST = (1, 20), (1, 36)


class UnsupportedMode(NotImplementedError):  # noqa: N818 - it names what is missing, as NotImplementedError does
    """The oracle has no rules for this kube-proxy; the message says for which it has."""


@dataclass(frozen=True, slots=True)
class Mode:
    """What one kube-proxy mode does to a packet at the processing node, step by step."""

    pool: tuple[Rule[iptables.Course], ...]
    mark: tuple[Rule[bool], ...]
    source: tuple[Rule[IPv4Address], ...]
    reply: tuple[Rule[Outcome], ...]


IPTABLES = Mode(pool=iptables.POOL, mark=marks.MARK, source=sources.SOURCE, reply=replies.REPLY)
MODES = {ProxyMode.IPTABLES: IPTABLES}


def of(environment: Environment) -> Mode:
    """The mode's rules; UnsupportedMode for a mode or version the oracle does not know."""
    mode = MODES.get(environment.mode)
    if mode is None or not OLDEST <= environment.version[:2] <= NEWEST:
        known = ", ".join(sorted(MODES))
        message = f"no rules for {environment}: the oracle knows mode {known}, versions 1.20 to 1.36"
        raise UnsupportedMode(message)
    return mode

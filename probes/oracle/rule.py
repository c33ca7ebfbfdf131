"""A rule is a small function of a Flow; a step is a chain of rules, and the first that answers decides, as in iptables.

A rule that does not cover the kube-proxy's version, or that returns None, lets the next one speak.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from topologies.schema.enums import ProxyMode

if TYPE_CHECKING:
    from probes.oracle.connection import Flow
    from probes.oracle.upstream import KubeProxyChange, Release

T = TypeVar("T")
EVERY_MODE = tuple(ProxyMode)
IPTABLES_ONLY = (ProxyMode.IPTABLES,)
IPVS_ONLY = (ProxyMode.IPVS,)
NFTABLES_ONLY = (ProxyMode.NFTABLES,)
NO_IPTABLES = (ProxyMode.IPVS, ProxyMode.NFTABLES)
BY_RULES = (ProxyMode.IPTABLES, ProxyMode.NFTABLES)  # kube-proxy's own rules translate; in ipvs mode the kernel's ipvs


@dataclass(frozen=True, slots=True)
class Rule(Generic[T]):
    """One documented behaviour.

    A rule is bounded by changes of kube-proxy, not by release numbers: a backport changes the behaviour in the middle
    of a minor release.
    """

    id: str
    sentence: str
    modes: tuple[ProxyMode, ...]
    since: KubeProxyChange | None
    """The change that made the behaviour; None if every version has it."""
    until: KubeProxyChange | None
    """The change that ended the behaviour; None if the newest version still has it."""
    citation: str
    step: Callable[[Flow], T | None]

    def covers(self, mode: ProxyMode, version: Release) -> bool:
        """Return whether a kube-proxy of this mode and version has it."""
        begun = self.since is None or self.since.is_in(version)
        ended = self.until is not None and self.until.is_in(version)
        return mode in self.modes and begun and not ended

    @property
    def backports(self) -> tuple[str, ...]:
        """For each change that bounds the rule: its backports, or what the search for them found."""
        return tuple(change.summary for change in (self.since, self.until) if change)


def rule(
    name: str,
    citation: str,
    *,
    since: KubeProxyChange | None = None,
    until: KubeProxyChange | None = None,
    modes: tuple[ProxyMode, ...] = EVERY_MODE,
) -> Callable[[Callable[[Flow], Any]], Rule[Any]]:
    """Make a rule of a function; the function's docstring is the rule's sentence. Its chain has the type."""

    def made(step: Callable[[Flow], Any]) -> Rule[Any]:
        sentence = " ".join(cleandoc(step.__doc__ or "").split())
        return Rule(name, sentence, modes, since, until, citation, step)

    return made


@dataclass(frozen=True, slots=True)
class Decision(Generic[T]):
    """What a chain decided, and which rule did."""

    value: T
    rule: Rule[T]


def decide(chain: Sequence[Rule[T]], flow: Flow) -> Decision[T]:
    """The first answer of a chain; LookupError if no rule answers, which is a hole in the oracle."""
    for one in chain:
        value = one.step(flow) if one.covers(flow.environment.mode, flow.version) else None
        if value is not None:
            return Decision(_bent(one.id, value, flow), one)
    message = f"no rule of {[one.id for one in chain]} covers {flow.kind} {flow.packet} of {flow.state.name}"
    raise LookupError(message)


Bend = Callable[[str, Any, "Flow"], Any]
_BEND: ContextVar[Bend | None] = ContextVar("bend", default=None)


def _bent(name: str, value: T, flow: Flow) -> T:
    bend = _BEND.get()
    return value if bend is None else bend(name, value, flow)


def is_bent() -> bool:
    """Whether answers are bent now: then none of them may be kept for later."""
    return _BEND.get() is not None


@contextmanager
def bent(bend: Bend) -> Iterator[None]:
    """Within it every answer of a rule goes through `bend(rule id, answer, flow)`: for mutation tests only."""
    token = _BEND.set(bend)
    try:
        yield
    finally:
        _BEND.reset(token)

"""Rules and chains of rules.

A rule is a small function of a Flow. A step is a chain of rules, and the first rule that applies decides, as in
iptables. A rule does not apply if it does not cover the kube-proxy's mode and version, or if it returns None.
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
BY_RULES = (
    ProxyMode.IPTABLES,
    ProxyMode.NFTABLES,
)  # modes in which kube-proxy's own rules translate addresses; in IPVS mode the kernel's IPVS does


@dataclass(frozen=True, slots=True)
class Rule(Generic[T]):
    """A documented behaviour.

    Changes of kube-proxy bound a rule, not release numbers. A backport changes the behaviour within a minor release.
    """

    id: str
    """`R4.5`; reports and docs/rules.md use it."""
    sentence: str
    """The behaviour in words. It is printed alone."""
    modes: tuple[ProxyMode, ...]
    """The kube-proxy modes that have the behaviour."""
    since: KubeProxyChange | None
    """The change that introduced the behaviour; None if the oldest version has it."""
    until: KubeProxyChange | None
    """The change that removed the behaviour; None if the newest version has it."""
    citation: str
    """The source: upstream code, pull request, KEP, kernel, or an entry of docs/observations.md."""
    step: Callable[[Flow], T | None]
    """Returns the decision, or None if the rule does not apply to this flow."""

    def covers(self, mode: ProxyMode, version: Release) -> bool:
        """Return whether a kube-proxy of this mode and version has the behaviour."""
        begun = self.since is None or self.since.is_in(version)
        ended = self.until is not None and self.until.is_in(version)
        return mode in self.modes and begun and not ended

    @property
    def backports(self) -> tuple[str, ...]:
        """For each change that bounds the rule, its backports or the result of the search for them."""
        return tuple(change.summary for change in (self.since, self.until) if change)


def rule(
    name: str,
    citation: str,
    *,
    since: KubeProxyChange | None = None,
    until: KubeProxyChange | None = None,
    modes: tuple[ProxyMode, ...] = EVERY_MODE,
) -> Callable[[Callable[[Flow], Any]], Rule[Any]]:
    """Return a decorator that makes a rule of a function. The function's docstring is the rule's sentence."""

    def made(step: Callable[[Flow], Any]) -> Rule[Any]:
        sentence = " ".join(cleandoc(step.__doc__ or "").split())
        return Rule(name, sentence, modes, since, until, citation, step)

    return made


@dataclass(frozen=True, slots=True)
class Decision(Generic[T]):
    """A chain's decision and the rule that made it."""

    value: T
    rule: Rule[T]


def decide(chain: Sequence[Rule[T]], flow: Flow) -> Decision[T]:
    """Return the decision of the first rule that applies.

    Raises:
        LookupError: No rule of the chain applies. The chain is incomplete.

    """
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
    """Return whether decisions are replaced at present. Callers must not cache predictions then."""
    return _BEND.get() is not None


@contextmanager
def bent(bend: Bend) -> Iterator[None]:
    """Replace every decision of a rule by `bend(rule id, decision, flow)` within the context."""
    token = _BEND.set(bend)
    try:
        yield
    finally:
        _BEND.reset(token)

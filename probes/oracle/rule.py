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

from topologies.kinds import ProxyMode

if TYPE_CHECKING:
    from probes.oracle.flow import Flow

T = TypeVar("T")
Release = tuple[int, ...]
EVERY_MODE = tuple(ProxyMode)
IPTABLES_ONLY = (ProxyMode.IPTABLES,)
IPVS_ONLY = (ProxyMode.IPVS,)
NFTABLES_ONLY = (ProxyMode.NFTABLES,)
NO_IPTABLES = (ProxyMode.IPVS, ProxyMode.NFTABLES)
BY_RULES = (ProxyMode.IPTABLES, ProxyMode.NFTABLES)  # kube-proxy's own rules translate; in ipvs mode the kernel's ipvs


@dataclass(frozen=True, slots=True)
class Rule(Generic[T]):
    """One documented behaviour.

    `since` and `until` are the first and last version, minor (1.24) or to the patch (1.29.1).
    """

    id: str
    sentence: str
    modes: tuple[ProxyMode, ...]
    since: Release | None
    until: Release | None
    citation: str
    step: Callable[[Flow], T | None]

    def covers(self, mode: ProxyMode, version: tuple[int, ...]) -> bool:
        """Whether a kube-proxy of this mode and version has it."""
        return (
            mode in self.modes
            and (self.since is None or version >= self.since)
            and (self.until is None or version[: len(self.until)] <= self.until)
        )


def rule(
    name: str,
    citation: str,
    *,
    since: Release | None = None,
    until: Release | None = None,
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

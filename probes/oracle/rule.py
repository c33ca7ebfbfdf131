"""Rules and chains of rules.

A rule is a small function of a Connection. A step is a chain of rules, and the first rule that applies decides, as in
iptables. A rule does not apply if it does not cover the kube-proxy's version, or if it returns None. Which mode has
which rules is not a property of the rule: each mode lists its chains (modes/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from probes.oracle.upstream import VersionRange

if TYPE_CHECKING:
    from probes.oracle.connection import Connection
    from probes.oracle.upstream import KubeProxyChange

PROXIER = "pkg/proxy/iptables/proxier.go"  # these are the files of kube-proxy that many rules cite
IPVS = "pkg/proxy/ipvs/proxier.go"
NFTABLES = "pkg/proxy/nftables/proxier.go"
MARK_DROP = "pkg/kubelet/kubelet_network_linux.go KUBE-FIREWALL, without the rule for marks from 1.27 on (KEP-3178)"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Rule(Generic[T]):
    """A documented behaviour."""

    id: str
    """`R4.5`; reports and docs/rules.md use it."""
    sentence: str
    """The behaviour in words. It is printed alone."""
    versions: VersionRange
    """The kube-proxy versions that have the behaviour, in a mode that lists the rule."""
    citation: str
    """The source: upstream code, pull request, KEP, kernel, or an entry of docs/observations.md."""
    step: Callable[[Connection], T | None]
    """Returns the decision, or None if the rule does not apply to this connection."""

    @property
    def backports(self) -> tuple[str, ...]:
        """For each change that bounds the rule, its backports or the result of the search for them."""
        return tuple(change.summary for change in self.versions.changes)


def rule(
    name: str,
    citation: str,
    *,
    since: KubeProxyChange | None = None,
    until: KubeProxyChange | None = None,
) -> Callable[[Callable[[Connection], Any]], Rule[Any]]:
    """Return a decorator that makes a rule of a function. The function's docstring is the rule's sentence."""

    def make_rule(step: Callable[[Connection], Any]) -> Rule[Any]:
        sentence = " ".join(cleandoc(step.__doc__ or "").split())
        return Rule(name, sentence, VersionRange(since, until), citation, step)

    return make_rule


@dataclass(frozen=True, slots=True)
class Decision(Generic[T]):
    """A chain's decision about a connection."""

    rule: Rule[T]
    """The rule that decided: the first one of the chain that applies."""
    value: T
    """What it decided: a packet, a set of endpoints, a mark, an address, a listener, an outcome …"""
    connection: Connection
    """The connection before the decision."""


def decide(chain: Sequence[Rule[T]], conn: Connection) -> Decision[T]:
    """Return the decision of the first rule that applies.

    Raises:
        LookupError: No rule of the chain applies. The chain is incomplete.

    """
    choices = conn.cluster.choices
    if choices is None:
        return _decide(chain, conn)
    return choices.share((chain, conn.identity), partial(_decide, chain, conn), _identify, _first)


def _identify(decision: Decision[Any]) -> object:
    """Return what decisions about one connection have in common if they are the same."""
    return decision.rule.id, _freeze(decision.value)


def _first(decisions: Sequence[tuple[Decision[T], int]]) -> Decision[T]:
    return decisions[0][0]


def _freeze(value: Any) -> object:  # noqa: ANN401 - a decision of any rule
    """Return a hashable value that stands for a decision. Connections are compared by their identity."""
    if isinstance(value, tuple):
        return tuple(map(_freeze, value))
    return getattr(value, "identity", value)


def _decide(chain: Sequence[Rule[T]], conn: Connection) -> Decision[T]:
    environment = conn.environment
    for one in chain:
        value = one.step(conn) if environment.may_run(one.versions) else None
        if value is not None and environment.runs(one.versions):
            return Decision(one, _replace_decision(one.id, value, conn), conn)
    message = f"no rule of {[one.id for one in chain]} covers {conn.kind} {conn.packet} of {conn.state.name}"
    raise LookupError(message)


Replacement = Callable[[str, Any, "Connection"], Any]
_REPLACEMENT: ContextVar[Replacement | None] = ContextVar("replacement", default=None)


def _replace_decision(name: str, value: T, conn: Connection) -> T:
    replacement = _REPLACEMENT.get()
    return value if replacement is None else replacement(name, value, conn)


def are_decisions_replaced() -> bool:
    """Return whether decisions are replaced at present. Callers must not cache predictions then."""
    return _REPLACEMENT.get() is not None


@contextmanager
def replace_decisions(replacement: Replacement) -> Iterator[None]:
    """Replace every decision of a rule by `replacement(rule id, decision, connection)` within the context."""
    token = _REPLACEMENT.set(replacement)
    try:
        yield
    finally:
        _REPLACEMENT.reset(token)

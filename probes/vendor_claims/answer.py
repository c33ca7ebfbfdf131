"""The result that a claim states: `ok from kept`, `refused`, `fails`, `from primary(n3)`, `ok by lb`.

It is compared with the predicted and with the observed results. Both are a set of endings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pydantic import model_validator

from probes.observation import Outcome
from topologies.schema.topology import Model

if TYPE_CHECKING:
    from collections.abc import Iterable

LOCAL = "local"  # the endpoints on the client's node; for a client outside, on the node that it asks
GRAMMAR = re.compile(r"^(?P<reach>[a-z]+)?\s*(?:from (?P<source>\S+))?\s*(?:by (?P<backend>\S+))?$")


class Reach(StrEnum):
    """The reachability. `FAILS`: no attempt is ok. `SPORADIC`: some attempts are ok and others are not."""

    OK = "ok"
    FAILS = "fails"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    SPORADIC = "sporadic"


@dataclass(frozen=True, slots=True)
class Ending:
    """One observed or allowed result of a connection. `sources` are the names of the source that the backend sees."""

    outcome: Outcome
    sources: frozenset[str] = frozenset()
    backend: str | None = None


class ClaimedAnswer(Model):
    """Reachability, source and backend. A part is None if the vendor does not state it."""

    reach: Reach | None = None
    source: str | None = None
    """`kept`, `changed`, or a name: `primary(n3)`, `vip` (the target), `node` (any address of a node)."""
    backend: str | None = None
    """A name, several separated by `|`, or `local` in claims about a data plane that is not kube-proxy."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:  # noqa: ANN401 - raw YAML
        if not isinstance(value, str):
            return value
        match = GRAMMAR.match(value)
        if not match or not value:
            message = f"got {value!r}, want a text such as 'ok from kept by web-a'"
            raise ValueError(message)
        return match.groupdict()

    def holds(self, endings: Iterable[Ending]) -> bool:
        """Return whether these endings, each and together, match the claim. Return False without endings."""
        all_of_them = tuple(endings)
        if not all_of_them or not self._reached(all_of_them):
            return False
        answered = [ending for ending in all_of_them if ending.outcome is Outcome.OK]
        if (self.source or self.backend) and not answered:
            return False
        return all(self._matches(ending) for ending in answered)

    def _reached(self, endings: tuple[Ending, ...]) -> bool:
        outcomes = {ending.outcome for ending in endings}
        return {
            None: True,
            Reach.OK: outcomes == {Outcome.OK},
            Reach.FAILS: Outcome.OK not in outcomes,
            Reach.REFUSED: outcomes == {Outcome.REFUSED},
            Reach.TIMEOUT: outcomes == {Outcome.TIMEOUT},
            Reach.SPORADIC: Outcome.OK in outcomes and len(outcomes) > 1,
        }[self.reach]

    def _matches(self, ending: Ending) -> bool:
        if self.backend and ending.backend not in self.backend.split("|"):
            return False
        if self.source == "changed":
            return "kept" not in ending.sources
        return self.source is None or self.source in ending.sources

    def __str__(self) -> str:
        """Return the text from which it was parsed."""
        parts = [self.reach.value if self.reach else "", f"from {self.source}" if self.source else ""]
        return " ".join(part for part in [*parts, f"by {self.backend}" if self.backend else ""] if part)

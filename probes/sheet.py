"""What one vantage is asked, and what came back: filled round by round, from several threads."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from probes import curl
from probes.batch import Question, Spot, Want, carry_out, shards
from probes.classify import UnclearError, attempt
from probes.observation import Attempt, Observation, Outcome
from probes.vantages.base import TransportError, at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from probes.vantages.base import Vantage

UNANSWERED = {Outcome.TIMEOUT, Outcome.REFUSED, Outcome.UNREACHABLE}
BATCHES_MAX = 5  # of a round at once at one vantage: an sshd grants 10 sessions a connection, and rounds overlap


@dataclass(slots=True)
class Sheet:
    """One vantage's questions and answers. `sure`: cells whose silence the ICMP limit cannot explain.

    `ports`: those of the vantage's host, shared with whoever else asks from there.
    """

    vantage: Vantage
    questions: Sequence[Question]
    ports: curl.Ports = field(default_factory=curl.Ports)
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    sure: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.attempts = {question.cell.id: [] for question in self.questions}

    @property
    def node(self) -> str | None:
        """The node it asks from; None outside the cluster."""
        return self.questions[0].cell.vantage.node

    def ahead(self) -> list[Want]:
        """The attempts that go ahead of all others."""
        return [Want(question) for question in self.questions if question.limited or question.sticky]

    def sample(self, turn: int = 0) -> list[Want]:
        """Everything else of that turn, but for cells that may be limited; what may be silent comes first."""
        unlimited = [question for question in self.questions if not question.limited and question.turn == turn]
        wants = [Want(question, question.cell.sample - question.sticky) for question in unlimited]
        return sorted((want for want in wants if want.times), key=lambda want: not want.question.silent)

    def late(self) -> list[Want]:
        """The rest of the sample of cells that might have been limited, and were answered instead."""
        answered = [q for q in self.questions if q.limited and not self.outcomes(q) <= UNANSWERED]
        return [Want(question, question.cell.sample - 1) for question in answered if question.cell.sample > 1]

    def ask(
        self,
        wants: Iterable[Want],
        connect_timeout: float,
        *,
        scout: bool = False,
        gate: Callable[[], object] = at_once,
        parallel: int = curl.PARALLEL_MAX,
    ) -> None:
        """One round, in as many batches as it takes, all at once; a batch that stays lost is trouble of its cells.

        `gate`: see `base.Vantage.run`; `parallel`: connections of a batch at a time.
        """
        parts = list(shards(list(wants)))
        if not parts:
            return
        with ThreadPoolExecutor(max_workers=min(len(parts), BATCHES_MAX)) as pool:
            list(pool.map(lambda part: self._ask(part, connect_timeout, gate, parallel, scout=scout), parts))

    def outcomes(self, question: Question) -> set[Outcome]:
        """The outcomes of a cell's attempts so far."""
        return {one.outcome for one in self.attempts[question.cell.id]}

    def silent(self, question: Question) -> bool:
        """Asked, without trouble, and never answered at all."""
        return question.cell.id not in self.troubles and self.outcomes(question) == {Outcome.TIMEOUT}

    def observations(self) -> dict[str, Observation]:
        """What is known so far, by cell id, in the order of the questions; a cell's scout comes first."""
        return {
            question.cell.id: Observation(
                cell=question.cell.id,
                target=str(question.target),
                attempts=tuple(sorted(self.attempts[question.cell.id], key=lambda one: not one.scout)),
                trouble=self.troubles.get(question.cell.id, ""),
                sure=question.cell.id in self.sure,
            )
            for question in self.questions
        }

    def __str__(self) -> str:
        outcomes = Counter(one.outcome for attempts in self.attempts.values() for one in attempts)
        told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()) or "none"
        why = f"; {len(self.troubles)} cells not asked: {next(iter(self.troubles.values()))}" if self.troubles else ""
        return f"{self.vantage.name}: {len(self.questions)} cells, {outcomes.total()} attempts: {told}{why}"

    def _ask(
        self, wants: Sequence[Want], connect_timeout: float, gate: Callable[[], object], parallel: int, *, scout: bool
    ) -> None:
        try:
            found = carry_out(Spot(self.vantage, self.ports), wants, connect_timeout, gate, parallel)
        except TransportError as error:
            self.troubles |= {want.question.cell.id: f"{self.vantage.name}: {error}" for want in wants}
            return
        for want, transfers in zip(wants, found, strict=True):
            self._note(want.question.cell.id, transfers, scout=scout)

    def _note(self, cell: str, transfers: Iterable[curl.Transfer], *, scout: bool) -> None:
        for transfer in transfers:
            try:
                self.attempts[cell].append(attempt(transfer, scout=scout))
            except UnclearError as error:
                self.troubles[cell] = f"{self.vantage.name}: {error}"

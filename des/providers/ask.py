"""A bundle of one ERID's questions to one provider, and where its answers go."""

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

from des.ledger import Saving, Settlement
from des.options import PRIORITY_DEFAULT, Options
from des.providers.contract import Outcome, Question
from des.providers.waterfall import Step


class Asker(Protocol):
    """Who hears the answers: an aggregator's shell. Both calls are synchronous and must not raise.

    `withdraws`: a question of its that failed is to come back rather than be asked again. `options`: those of its ERID
    at the moment.
    """

    tenant: str
    erid: UUID
    partition: int
    epoch: int
    withdraws: bool

    @property
    def options(self) -> Options:
        """How its ERID is to be worked."""

    def answered(
        self,
        step: Step,
        items: Sequence[Any],
        outcomes: Sequence[Outcome],
        settlements: Sequence[Settlement] = (),
        savings: Sequence[Saving] = (),
    ) -> None:
        """Receive one outcome for each of these items, to be committed together with what it cost or saved."""

    def over_budget(self, step: Step, items: Sequence[Any], scope: str) -> None:
        """Receive items back for which a cap (`tenant`, `provider`, `erid`) left no room."""

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Have calls settled whose outcome is no answer for an item."""

    def withdrawn(self, step: Step, items: Sequence[Any]) -> None:
        """Receive items back that were not asked, since their asker gave the ask up."""


class Ask:
    """Questions of one ERID for one step; `items` are the asker's own and come back with the answers."""

    __slots__ = ("asker", "attempts", "erid", "items", "priority", "questions", "size", "step", "tenant")

    def __init__(
        self,
        tenant: str,
        erid: UUID,
        step: Step,
        asker: Asker,
        items: Sequence[Any],
        *,
        questions: Sequence[Question],
        attempts: int = 0,
    ) -> None:
        """Take one question for each item; `attempts` were made for them before."""
        self.tenant = tenant
        self.erid = erid
        self.step = step
        self.asker = asker
        self.items = items
        self.questions = questions
        self.size = len(questions)
        self.attempts = attempts
        priority = asker.options.priority
        self.priority = PRIORITY_DEFAULT if priority is None else priority

    def again(self, indexes: Sequence[int], attempts: int) -> "Ask":
        """Make an ask of some of these questions, to be put once more."""
        items = [self.items[index] for index in indexes]
        questions = [self.questions[index] for index in indexes]
        return Ask(self.tenant, self.erid, self.step, self.asker, items, questions=questions, attempts=attempts)

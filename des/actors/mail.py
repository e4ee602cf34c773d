"""What an aggregator can be told. A closed set: `Mail` is matched once, in `aggregator.py`."""

from collections.abc import Sequence

import msgspec

from des.actors.aggregate import Item
from des.options import OptionsInForce
from des.providers.contract import Outcome
from des.providers.waterfall import Step
from des.store.contract import AcceptedBatch, ContactRow


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """A new batch lies in Postgres; here it is."""

    batch: AcceptedBatch


class StoreHasMore(msgspec.Struct, frozen=True, gc=False):
    """Postgres may hold open batches that the aggregator does not know, and newer options of the ERID.

    `contacts`: how many they have; `in_all`: how many are outstanding, those that it knows among them.
    """

    options: OptionsInForce
    contacts: int
    in_all: bool = False


class Granted(msgspec.Struct, frozen=True, gc=False):
    """The scheduler lets so many more contacts be taken into work."""

    contacts: int


class Loaded(msgspec.Struct, frozen=True, gc=False):
    """What a load found; `complete`: there is no more."""

    batches: Sequence[AcceptedBatch]
    complete: bool


class Answered(msgspec.Struct, frozen=True, gc=False):
    """A provider answered: one outcome for each item."""

    step: Step
    items: Sequence[Item]
    outcomes: Sequence[Outcome]


class OverBudget(msgspec.Struct, frozen=True, gc=False):
    """A paid call for these was not made: the cap of `scope` leaves no room for it."""

    step: Step
    items: Sequence[Item]
    scope: str


class Withdrawn(msgspec.Struct, frozen=True, gc=False):
    """These were not asked, since the enrichment was cancelled."""

    step: Step
    items: Sequence[Item]


class Committed(msgspec.Struct, frozen=True, gc=False):
    """These rows are in Postgres."""

    rows: Sequence[ContactRow]


class Cancel(msgspec.Struct, frozen=True, gc=False):
    """The caller cancelled the enrichment."""


Mail = Answered | Committed | Granted | Accepted | Loaded | StoreHasMore | OverBudget | Withdrawn | Cancel

"""What does it cost to pay?

One paid call per contact: claimed and reserved in a transaction before it is sent, settled and its answer kept in that
of the contact. How it is measured stands in `calls.py`. Afterwards the ledger has to say that every contact was one
call, settled, at the price of one credit.
"""

from bench.calls import Counts, against_a_bare_loop
from bench.figures import Result
from bench.harness import Rig

COUNTS = Counts(batches=40, bare_calls=40_000)
TARGET = 0.8


async def run(rig: Rig, scale: float) -> Result:
    """Measure. Raises RuntimeError where the ledger does not add up: such a rate would be worth nothing."""
    counts = COUNTS.scaled(scale)
    ratio, figures = await against_a_bare_loop(rig, counts, paid=True)
    settled, charged = await rig.database.settled()
    if not settled == charged == figures["contacts"]:
        raise RuntimeError(f"{figures['contacts']} contacts, {settled} calls settled, {charged} credits charged")
    return Result("paid_calls", ratio, TARGET, figures)

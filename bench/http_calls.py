"""What does everything around an HTTP call cost?

One free call per contact; how it is measured stands in `calls.py`.
"""

from bench.calls import Counts, against_a_bare_loop
from bench.figures import Result
from bench.harness import Rig

COUNTS = Counts(batches=60, bare_calls=40_000)
TARGET = 0.9


async def run(rig: Rig, scale: float) -> Result:
    """Measure."""
    ratio, figures = await against_a_bare_loop(rig, COUNTS.scaled(scale), paid=False)
    return Result("http_calls", ratio, TARGET, figures)

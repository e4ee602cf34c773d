"""`des demo`: two contacts through a whole stack of their own, and what became of them."""

import asyncio
from typing import TYPE_CHECKING

from des.cli.dev import data_folder
from des.cli.options import JsonFlag
from des.cli.output import Output

if TYPE_CHECKING:
    from des.cli.demonstration import Demonstration
    from des.cli.local_stack import LocalStack


def demo(as_json: JsonFlag = False) -> None:
    """Enrich two contacts on a private stack, show the object they become, and stop everything again.

    Sends the batch by HTTP, waits until it is settled, sends it once more to show that this changes nothing, and
    shows what the rehearsal provider billed. Leaves nothing behind.
    """
    from des.cli.local_stack import LocalStack
    from des.config import load_settings
    from des.logs import configure_logging

    output = Output(as_json)
    configure_logging(level="warning")  # a demonstration is read, and its log would stand in between
    with data_folder(None) as folder:
        output.note("starting a Postgres, a RabbitMQ, a rehearsal provider and DES in a folder of their own …")
        stack = LocalStack(folder, load_settings(None))
        shown = asyncio.run(_run(stack, output))
        output.note("stopped everything, and removed it")
    output.document(shown)


async def _run(stack: "LocalStack", output: Output) -> "Demonstration | None":
    """Run the stack for as long as the demonstration takes, or until a signal; None where the signal was first."""
    from des.cli.demonstration import demonstrate
    from des.lifecycle import TaskOwner, run_until_signal

    over = asyncio.Event()
    tasks = TaskOwner("demo")
    begun: list[asyncio.Task[Demonstration]] = []

    async def act() -> "Demonstration":
        try:
            return await demonstrate(stack.addresses(), output)
        finally:
            over.set()

    try:
        await run_until_signal(
            stack.services(), stop=over, on_ready=lambda: begun.append(tasks.spawn(act(), "demonstration"))
        )
    finally:
        await tasks.close()
    return begun[0].result() if begun and not begun[0].cancelled() else None

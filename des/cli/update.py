"""`des update`: the options of one enrichment, changed by gRPC like by any client."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer

from des.cli.options import (
    Credits,
    Erid,
    GrpcAddress,
    JsonFlag,
    MaxAge,
    MinimumConfidence,
    Money,
    Priority,
    stated_options,
)
from des.cli.output import Output, counted


def update(
    erid: Erid,
    *,
    budget_credits: Credits = None,
    budget_money: Money = None,
    minimum_confidence: MinimumConfidence = None,
    max_age_s: MaxAge = None,
    priority: Priority = None,
    clear: Annotated[
        list[str] | None,
        typer.Option(
            "--clear", metavar="NAME", help="Take an option away: budget.credits, budget.money, budget, priority, …"
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Resume what any cap had ended: after that of a tenant or provider was raised."),
    ] = False,
    grpc: GrpcAddress = "",
    as_json: JsonFlag = False,
) -> None:
    """Change the options of an enrichment; a raised budget resumes what the cap had ended, and nothing else.

    What was found stays as it is and is not paid for again. To repeat it changes nothing.
    """
    said = stated_options(
        budget_credits=budget_credits,
        budget_money=budget_money,
        minimum_confidence=minimum_confidence,
        max_age_s=max_age_s,
        priority=priority,
    )
    if not (said or clear or resume):
        raise typer.BadParameter("say what is to change, such as --credits 100", param_hint="options")
    asyncio.run(_update(erid, said, clear or [], grpc, Output(as_json), resume=resume))


async def _update(
    erid: UUID, said: dict[str, float], clear: list[str], grpc: str, output: Output, *, resume: bool
) -> None:
    """Update, and show what the enrichment is then."""
    from des.cli.following import summary
    from des.cli.received import enrichment_of
    from des.cli.service import connected
    from des.options import options_of
    from des.serving.document import updated_document
    from des.wire.options import checked, options_message

    checked(said, str(erid))
    async with connected(grpc) as client:
        response = await client.update(erid, options_message(options_of(said)), clear, resume=resume)
    enrichment = enrichment_of(response.enrichment)
    output.document(updated_document(enrichment, response.resumed_contacts))
    output.say(summary(enrichment))
    if response.resumed_contacts:
        output.say(f"{counted(response.resumed_contacts, 'contact goes', 'contacts go')} on")

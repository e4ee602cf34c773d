"""Arguments and options that several commands share, so that they mean and say the same everywhere."""

from pathlib import Path
from typing import Annotated, TypeAlias
from uuid import UUID

import typer

JsonFlag: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Write JSON on stdout, one document a line; errors are JSON on stderr.")
]
GrpcAddress: TypeAlias = Annotated[
    str,
    typer.Option(
        "--grpc", metavar="HOST:PORT", help="gRPC address of the service; DES_GRPC__HOST and __PORT where left out."
    ),
]
ConfigFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings as TOML; the environment (DES_…) goes before them."),
]
Erid: TypeAlias = Annotated[UUID, typer.Argument(metavar="ERID", help="Enrichment request id.", show_default=False)]
Tenant: TypeAlias = Annotated[str, typer.Option("--tenant", help="Whose data it is.")]

ContactsFile: TypeAlias = Annotated[
    str, typer.Argument(metavar="FILE|-", help="CSV, JSON Lines, or a JSON document; - reads stdin.")
]
NewErid: TypeAlias = Annotated[
    UUID | None, typer.Option("--erid", help="Enrichment request id; the document's, else a new one, is printed.")
]
Fields: TypeAlias = Annotated[
    str, typer.Option("--fields", metavar="NAME,…", help="What is asked for; a document may say it itself.")
]
Credits: TypeAlias = Annotated[
    float | None,
    typer.Option("--credits", metavar="CREDITS", help="The most to be spent for the ERID, in the providers' credits."),
]
Money: TypeAlias = Annotated[
    float | None,
    typer.Option("--money", metavar="AMOUNT", help="The same in the money that credits are configured to cost."),
]
MinimumConfidence: TypeAlias = Annotated[
    float | None,
    typer.Option("--minimum-confidence", metavar="0..1", help="A value that is less sure is not taken."),
]
MaxAge: TypeAlias = Annotated[
    float | None,
    typer.Option("--max-age-s", metavar="SECONDS", help="How old an answer may be that is taken in place of a call."),
]
Priority: TypeAlias = Annotated[
    int | None, typer.Option("--priority", metavar="0..9", help="0 last, 9 first among your enrichments.")
]


def stated_options(
    *,
    budget_credits: float | None,
    budget_money: float | None,
    minimum_confidence: float | None,
    max_age_s: float | None,
    priority: int | None,
) -> dict[str, float]:
    """What the options of a command say of an ERID's options, by path."""
    values = {
        "budget.credits": budget_credits,
        "budget.money": budget_money,
        "minimum_confidence": minimum_confidence,
        "max_age_s": max_age_s,
        "priority": priority,
    }
    return {path: value for path, value in values.items() if value is not None}

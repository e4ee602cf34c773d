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

"""Options of ERIDs in Postgres: set once by the first that has some, changed by Update, told with whatever is read.

The cap is written to the ERID's row of `budget` in the same statement: there claims are decided.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from des.ledger import millionths
from des.options import NO_OPTIONS, UNSAID, Budget, Options, OptionsInForce, agree
from des.store.postgres import Connection
from des.store.statements import statements

_SQL = statements("options")

CONFLICT: Final = (
    "CONFLICTING_OPTIONS",
    "the ERID has other options; send none, or the same, and change them by Update (des update, PATCH)",
)
"""Reason and message for a batch or a Create that contradicts the options of its ERID."""

_decode = msgspec.json.Decoder(Options).decode
_encode = msgspec.json.Encoder().encode

Erid = tuple[str, UUID]


class Standing(msgspec.Struct):
    """Options of one locked ERID: in force, and as they were given first; both None where nobody has said any."""

    in_force: OptionsInForce = UNSAID
    given: Options | None = None
    fresh: bool = False

    def take(self, said: Options) -> bool:
        """Have a batch or a Create say some: they become the ERID's where it has none. False where it has others.

        To repeat what was given first is no contradiction after a change: a stream of batches may be under way.
        """
        if self.given is None and self.in_force.revision == 0:
            self.in_force, self.given, self.fresh = OptionsInForce(said, 1), said, True
            return True
        return agree(said, self.in_force.options) or (self.given is not None and agree(said, self.given))


def in_force(row: Mapping[str, Any]) -> OptionsInForce:
    """The options in a row of `enrichment`."""
    revision: int = row["options_revision"]
    return OptionsInForce(_options(row["options"]) or NO_OPTIONS, revision) if revision else UNSAID


def standing(row: Mapping[str, Any]) -> Standing:
    """The same with what was given first."""
    return Standing(in_force(row), _options(row["options_given"]))


def _options(text: str | None) -> Options | None:
    return None if text is None else _decode(text)


async def write(connection: Connection, standings: Mapping[Erid, Standing]) -> None:
    """Write those that are fresh, with their caps; the ERIDs are locked by the caller."""
    fresh = {erid: one for erid, one in standings.items() if one.fresh}
    if not fresh:
        return
    ordered = sorted(fresh)
    await connection.execute(
        _SQL["set_options"],
        *_columns(ordered),
        [_text(fresh[erid].in_force.options) for erid in ordered],
        [None if (given := fresh[erid].given) is None else _text(given) for erid in ordered],
        [fresh[erid].in_force.revision for erid in ordered],
    )
    await connection.execute(
        _SQL["set_caps"],
        [tenant for tenant, _ in ordered],
        [str(erid) for _, erid in ordered],
        *zip(*[_cap(fresh[erid].in_force.options) for erid in ordered], strict=True),
    )


def _columns(erids: Collection[Erid]) -> tuple[list[str], list[UUID]]:
    return [tenant for tenant, _ in erids], [erid for _, erid in erids]


def _text(options: Options) -> str:
    return str(_encode(options), "utf-8")


def _cap(options: Options) -> tuple[int | None, int | None]:
    """Cap in millionths of credits and of money."""
    budget = options.budget or Budget()
    return (
        None if budget.credits is None else millionths(budget.credits),
        None if budget.money is None else millionths(budget.money),
    )

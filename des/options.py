"""Options of an ERID: how sure a value must be, how old an answer may be, what may be spent, and its priority.

A door makes them of what was sent (`des.wire.options` says what is acceptable); the first batch, or Create, that has
some sets them, Update changes them. Whatever states or changes some of them names each by its *path*, such as
`budget.credits`, with its number.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

Stated: TypeAlias = Mapping[str, float]
"""What options say, by path; what they leave open has no entry."""

Change: TypeAlias = Mapping[str, float | None]
"""What becomes of options, by path: a number, or None where it is taken away."""

PRIORITY_DEFAULT: Final = 4
"""Of an ERID whose options say nothing; the middle of 0 to 9, as in JMS and RabbitMQ."""


class Budget(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The most that may be spent, in credits and in money, each to a millionth; None: no cap."""

    credits: float | None = None
    money: float | None = None


class Options(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Options as they were stated; None where nothing was said.

    `minimum_confidence`: 0 to 1. `max_age_s`: how old a kept answer may be, in seconds. `priority`: 0 (last) to 9.
    """

    minimum_confidence: float | None = None
    max_age_s: float | None = None
    budget: Budget | None = None
    priority: int | None = None


NO_OPTIONS: Final = Options()


class OptionsInForce(msgspec.Struct, frozen=True, gc=False):
    """The options of an ERID as Postgres has them; `revision` grows with every change, 0 is that nobody set any."""

    options: Options = NO_OPTIONS
    revision: int = 0


UNSAID: Final = OptionsInForce()


def stated(options: Options) -> dict[str, float]:
    """What the options say, by path."""
    budget = options.budget or Budget()
    values = {
        "minimum_confidence": options.minimum_confidence,
        "max_age_s": options.max_age_s,
        "budget.credits": budget.credits,
        "budget.money": budget.money,
        "priority": options.priority,
    }
    return {path: value for path, value in values.items() if value is not None}


def options_of(values: Stated) -> Options:
    """The options that say this; amounts to a millionth."""
    credits_, money = values.get("budget.credits"), values.get("budget.money")
    priority = values.get("priority")
    return Options(
        values.get("minimum_confidence"),
        values.get("max_age_s"),
        None
        if credits_ is None and money is None
        else Budget(
            None if credits_ is None else round(float(credits_), 6), None if money is None else round(float(money), 6)
        ),
        None if priority is None else int(priority),
    )


def changed(options: Options, change: Change) -> Options:
    """The options after a change."""
    values: dict[str, float | None] = {**stated(options), **change}
    return options_of({path: value for path, value in values.items() if value is not None})


def agree(said: Options, with_: Options) -> bool:
    """Whether everything the first say is what the others say too."""
    return stated(said).items() <= stated(with_).items()

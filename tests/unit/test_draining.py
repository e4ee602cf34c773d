"""How long a process that stops goes on: no call that it has sent is cut short, which may have been paid."""

import pytest

from des.app.providers import build_dispatchers, build_providers, drain_s
from des.clock import SystemClock
from des.config import Settings
from des.ledger import Claim, Decision
from des.limits import STOP_S
from des.store.directory import Directory
from des.store.postgres import Database


class NoLedger:
    """Nothing is claimed here."""

    async def claim(self, _: list[Claim]) -> list[Decision]:
        """See Ledger."""
        raise AssertionError("nothing is asked")


@pytest.mark.parametrize(
    ("grace_s", "deadline_s", "left_s"), [(20.0, 10.0, 8.0), (60.0, 10.0, 48.0), (60.0, 30.0, 28.0), (20.0, 30.0, 0.0)]
)
def test_draining_leaves_the_longest_call_its_deadline(grace_s: float, deadline_s: float, left_s: float) -> None:
    provider = {"kind": "hunter", "api_key": "k", "deadline_s": deadline_s}
    settings = Settings.model_validate({
        "shutdown_grace_s": grace_s,
        "providers": {"hunter": provider},
        "fields": {"professional_email": {"type": "email", "waterfall": ["hunter"]}},
    })  # fmt: skip
    clock = SystemClock()
    providers = build_providers(settings, Directory(Database("")), clock)
    ways = build_dispatchers(settings, providers, clock, NoLedger())  # type: ignore[arg-type] # lists are sequences
    assert drain_s(settings, ways) == left_s
    assert left_s + deadline_s + STOP_S <= max(grace_s, deadline_s + STOP_S)

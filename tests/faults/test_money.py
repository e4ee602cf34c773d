"""`kill -9` around a paid call: the vendor's bill, the ledger and the receipts agree, and nobody is paid for twice."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from des.failpoints import Failpoint
from des.ledger import CallState
from tests.faults.money import MoneyTrial, money_trial
from tests.faults.money_books import Books
from tests.faults.money_campaign import Deaths, round_of_kills
from tests.faults.trial import Servers

SEED = 20_261_124
KILLS = 8
CAP = 60.0
LACKING = {"NOT_IN_RESULT", "TWICE_IN_RESULT"}
"""What the sandbox makes of a result: one is left out, or stands there twice."""

Open = Callable[..., AbstractAsyncContextManager[MoneyTrial]]


@pytest.fixture
def open_trial(database_url: str, amqp_url: str, tmp_path: Path) -> Open:
    """A trial with servers of its own."""

    def open_(vendor: str, cap: float | None = None) -> AbstractAsyncContextManager[MoneyTrial]:
        return money_trial(Servers(database_url, amqp_url), tmp_path, SEED, vendor, cap)

    return open_


def is_settled_whole(books: Books) -> bool:
    """Whether every call got an answer, by a second call where the first one's was lost."""
    return not books.unknown and {call.state for call in books.calls} <= {CallState.SETTLED, CallState.RELEASED}


@pytest.mark.parametrize(
    ("failpoint", "counts"),
    [
        (Failpoint.CLAIM_BEFORE_COMMIT, (1, 5, 30)),
        (Failpoint.CLAIM_COMMITTED_NOT_SENT, (1, 5, 30)),
        (Failpoint.CALL_SENT, (1, 20, 60)),
        (Failpoint.CALL_ANSWERED_NOT_COMMITTED, (1, 20, 60)),
        (Failpoint.COMMIT_BEFORE, (1, 4, 15)),
        (Failpoint.COMMIT_AFTER, (1, 4, 15)),
    ],
)
async def test_killed_there_the_books_agree(open_trial: Open, failpoint: Failpoint, counts: tuple[int, ...]) -> None:
    async with open_trial("hunter") as life:
        await life.load.start()
        for count in counts:
            await life.dies_at(failpoint, count)
            await life.check()
        assert await life.start()
        await life.load.until_finished(10)
        await life.finish()
        books = await life.books()
        assert is_settled_whole(books)
        assert books.charged > 0


@pytest.mark.parametrize(
    ("failpoint", "asked"), [(Failpoint.CLAIM_COMMITTED_NOT_SENT, False), (Failpoint.CALL_ANSWERED_NOT_COMMITTED, True)]
)
async def test_what_is_not_free_to_ask_again_is_listed_one_by_one(
    open_trial: Open, failpoint: Failpoint, *, asked: bool
) -> None:
    async with open_trial("pdl") as life:
        await life.load.start()
        await life.dies_at(failpoint, 1)
        assert bool((await life.check()).bills) is asked
        await life.dies_at(failpoint, 10)
        await life.check()
        assert await life.start()
        await life.load.until_finished(10)
        await life.finish()
        books = await life.books()
        assert books.unknown, "whether they were billed or not: nobody knows, and none is asked again"
        assert books.charged > 0


@pytest.mark.parametrize("vendor", ["hunter", "pdl", "fullenrich"])
async def test_killed_again_and_again_under_all_faults_the_books_agree(open_trial: Open, vendor: str) -> None:
    how: list[str] = []
    async with open_trial(vendor) as life:
        await round_of_kills(life, Deaths(SEED), KILLS, how.append)
        books = await life.books()
        assert len(set(how)) > 2
        assert books.charged > 0
        lost = await life.unknown()
        if vendor == "fullenrich":
            # A result that comes when its contact waits no more, and lacks it: nobody is there to ask again.
            assert all(call.nobody_waits and call.reason in LACKING for call in lost), lost
            assert {call.state for call in books.calls} <= {CallState.SETTLED, CallState.RELEASED, CallState.UNKNOWN}
        else:
            assert is_settled_whole(books) is (vendor != "pdl"), lost


async def test_a_cap_holds_however_it_dies(open_trial: Open) -> None:
    async with open_trial("hunter", CAP) as life:
        await round_of_kills(life, Deaths(SEED, at_a_point=0.0), KILLS // 2, lambda _: None)
        books = await life.books()
        unspent = CAP * 1_000_000 - books.charged
        assert 0 <= unspent <= books.won_back_last, (
            "all of it is spent, and no more, but for what was won back at the end"
        )

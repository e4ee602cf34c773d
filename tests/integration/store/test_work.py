"""What workers find in Postgres: ERIDs with open work over many partitions, and the open batches of one."""

from collections.abc import Iterable, Sequence
from uuid import UUID, uuid4

import msgspec
import pytest

from des.actors import recovery
from des.actors.recovery import Recovery
from des.clock import SystemClock
from des.contact import ContactBatch
from des.limits import PARTITIONS
from des.store import work
from des.store.contract import Erid, Outstanding, Want, partition_of
from des.store.postgres import Database
from des.store.work import PostgresWorkStore
from des.wire.document import decode_json
from tests.integration.broker.waiting import until

FIELDS = frozenset({"email"})


@pytest.fixture
def store(database: Database) -> PostgresWorkStore:
    return PostgresWorkStore(database, uuid4())


def batch(erid: UUID, *names: str) -> ContactBatch:
    contacts = [{"full_name": name} for name in names]
    body = {"erid": str(erid), "contact_list": contacts, "fields_to_be_enriched": ["email"]}
    return decode_json(msgspec.json.encode(body), "default", FIELDS)


async def accepted(store: PostgresWorkStore, erids: Iterable[UUID]) -> list[Erid]:
    """One batch of each; the ERIDs in the order in which they are found."""
    await store.accept([batch(erid, "ann", "bob") for erid in erids], [], range(PARTITIONS))
    return sorted([("default", erid) for erid in erids], key=lambda erid: (partition_of(*erid), erid))


async def test_open_work_is_found_over_partitions_page_by_page(store: PostgresWorkStore) -> None:
    expected = await accepted(store, [uuid4() for _ in range(100)])
    partitions, after = list(range(PARTITIONS)), None
    found: list[Erid] = []
    while page := await store.outstanding(partitions, after, 7):
        found += [(one.tenant, one.erid) for one in page]
        assert {one.contacts for one in page} == {2}
        after = found[-1]
        partitions = partitions[partitions.index(partition_of(*after)) :]
    assert found == expected
    some = [partition_of(*expected[0]), partition_of(*expected[-1])]
    found = [(one.tenant, one.erid) for one in await store.outstanding(some, None, 100)]
    assert found == [erid for erid in expected if partition_of(*erid) in some]


class Loses:
    """A router that holds every partition, and loses one when something of it has been found."""

    def __init__(self, loses: int) -> None:
        self.owned = dict.fromkeys(range(PARTITIONS), 1)
        self.erids: list[Erid] = []
        self._loses = loses

    async def place(self) -> None:
        """There always is one."""

    def found(self, outstanding: Sequence[Outstanding], *, swept: bool) -> None:
        """Keep them."""
        assert not swept
        self.erids += [(one.tenant, one.erid) for one in outstanding]
        if any(partition_of(*erid) == self._loses for erid in self.erids):
            self.owned.pop(self._loses, None)


@pytest.mark.parametrize("per_page", [1, 3, 500])
async def test_what_is_due_is_scanned_together_and_what_has_gone_no_further(
    store: PostgresWorkStore, monkeypatch: pytest.MonkeyPatch, per_page: int
) -> None:
    monkeypatch.setattr(recovery, "ERIDS_PER_PAGE", per_page)
    expected = await accepted(store, [uuid4() for _ in range(200)])
    lost = partition_of(*expected[len(expected) // 2])
    router, scanning = Loses(lost), Recovery(store, SystemClock())
    scanning.connect(router)
    for partition in range(PARTITIONS):
        scanning.dirty(partition)
    await scanning.start()
    try:
        of_others = [erid for erid in expected if partition_of(*erid) != lost]
        await until(lambda: set(of_others) <= set(router.erids))
    finally:
        await scanning.stop()
    assert [erid for erid in router.erids if partition_of(*erid) != lost] == of_others
    assert len(router.erids) == len(set(router.erids))


async def test_a_load_says_whether_there_is_anything_else(
    store: PostgresWorkStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    erid, other = uuid4(), uuid4()
    for name in ("ann", "bob", "eve"):
        await store.accept([batch(erid, name, name)], [], range(PARTITIONS))

    async def loaded(contacts: int, known: Iterable[int] = ()) -> tuple[list[int], bool]:
        opened, nothing = await store.load(
            [Want("default", erid, contacts, list(known)), Want("default", other, 1, [])]
        )
        assert (nothing.batches, nothing.complete) == ([], True)
        return [one.seq for one in opened.batches], opened.complete

    seqs, complete = await loaded(100)
    assert (len(seqs), complete) == (3, True)
    assert await loaded(6) == (seqs, True), "exactly what was wanted"
    assert await loaded(3) == (seqs[:2], False)
    assert await loaded(1) == (seqs[:1], False)
    assert await loaded(1, seqs[:2]) == (seqs[2:], True)
    assert await loaded(1, seqs) == ([], True)
    monkeypatch.setattr(work, "CANDIDATES_MAX", 3)
    assert await loaded(100) == (seqs, False), "there may be more than it looks at"

"""A small directory is held in memory: what changes in Postgres is seen, whoever changed it and whatever was missed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from des.clock import SystemClock
from des.people import SEPARATOR, Asked, Person
from des.store.directory import Directory
from des.store.held_directory import COMPARE_EVERY_S, IDLE_S, HeldDirectory, Reading
from des.store.held_people import HeldPeople
from des.store.notices import Notices
from des.store.people_reader import PeopleReader
from des.store.postgres import Database
from des.testing.service import check_service_contract
from tests.integration.broker.waiting import until

KEY = SEPARATOR.join(("acme.com", "dj", "john doe"))
PLENTY = 1 << 24


class HandClock(SystemClock):
    """A clock that stands still until it is moved; who sleeps wakes when its time has come."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleeping: list[tuple[float, asyncio.Future[None]]] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        waking = asyncio.get_running_loop().create_future()
        self._sleeping.append((self.now + seconds, waking))
        await waking

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        for at, waking in self._sleeping:
            if at <= self.now and not waking.done():
                waking.set_result(None)


class Reader(PeopleReader):
    """Reads as ever, and waits with what it has read until it may go on."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.has_read = asyncio.Event()

    async def read(self, tenant: str, bytes_max: int) -> HeldPeople | None:
        people = await super().read(tenant, bytes_max)
        self.has_read.set()
        await self.may_go_on.wait()
        return people


class Office:
    """A directory that is held, beside the one in Postgres."""

    def __init__(self, database: Database, bytes_max: int = PLENTY) -> None:
        self.database, self.directory = database, Directory(database)
        self.clock, self.reader = HandClock(), Reader(database)
        self.held = HeldDirectory(self.directory, self.reader, self.clock, bytes_max)
        self.heard: list[str] = []
        self.notices = Notices(
            database,
            SystemClock(),
            on_partition=lambda _: None,
            on_cancelled=lambda *_: None,
            on_delivered=lambda _: None,
            on_directory=self.hear,
            on_resumed=lambda: None,
        )

    def hear(self, tenant: str) -> None:
        self.held.changed(tenant)
        self.heard.append(tenant)

    async def add(self, *phones: str, tenant: str = "default") -> None:
        """Import people of one name, each with a phone number; John Doe of acme.com has the first."""
        heard = len(self.heard)
        people = [
            Person(KEY if not at else f"{KEY} {at}", "john doe", "acme.com", phone=phone)
            for at, phone in enumerate(phones)
        ]
        await self.directory.save(tenant, people, "test")
        await until(lambda: len(self.heard) > heard)

    async def run_sql(self, statement: str) -> None:
        async with self.database.connection() as connection:
            await connection.execute(statement)

    async def phone(self, tenant: str = "default") -> str | None:
        """John Doe's number, as the held directory says."""
        found = await self.held.exact(tenant, Asked([KEY], [0]), Asked(), Asked())
        return found[0][1].phone if found else None

    async def holds(self, tenant: str = "default") -> None:
        """Have it asked until what is there is held."""
        held = self.readings(Reading.HELD)
        while self.readings(Reading.HELD) == held:
            await self.reads(tenant)

    async def reads(self, tenant: str = "default") -> None:
        """Have it asked when it has rested, until the reading that this begins has ended."""
        ended = self.held.readings.total()
        self.clock.pass_by(COMPARE_EVERY_S)
        await self.phone(tenant)
        await until(lambda: self.held.readings.total() > ended)

    def readings(self, kind: Reading) -> int:
        return self.held.readings[kind]

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Office"]:
        await self.held.start()
        await self.notices.start()
        try:
            yield self
        finally:
            await self.notices.stop()
            await self.held.stop()


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    """An open one, in whose directory there is one person, who is held."""
    async with Office(database).open() as office:
        await office.add("1")
        await office.holds()
        yield office


async def silently(office: Office, statement: str) -> None:
    """Change the directory so that no notice is heard."""
    await office.notices.stop()
    await office.run_sql(statement)


async def test_what_is_held_is_not_asked_of_postgres(office: Office) -> None:
    assert office.held.people == 1
    await office.database.stop()
    assert await office.phone() == "1"
    await office.database.start()


async def test_questions_do_not_wait_for_the_reading(database: Database) -> None:
    async with Office(database).open() as office:
        await office.add("1")
        office.reader.may_go_on.clear()
        assert await office.phone() == "1"
        await office.reader.has_read.wait()
        assert (await office.phone(), office.held.people) == ("1", 0)
        office.reader.may_go_on.set()
        await until(lambda: office.held.people == 1)


async def test_an_import_is_seen_and_held_again(office: Office) -> None:
    await office.add("2", "3")
    assert (office.held.people, await office.phone()) == (0, "2")
    await office.holds()
    assert (await office.phone(), office.held.people) == ("2", 2)


@pytest.mark.parametrize(
    ("statement", "phone"),
    [
        ("update directory_person set phone = '2'", "2"),
        ("update directory_person set tenant = 'other'", None),
        ("delete from directory_person", None),
        ("truncate directory_person", None),
        ("insert into directory_company values ('default', 'acme', 'acme.com', 'acme', 'acm')", "1"),
        ("insert into directory_pattern values ('default', 'acme.com', '{first}@acme.com', 1)", "1"),
    ],
)
async def test_a_change_by_sql_is_seen(office: Office, statement: str, phone: str | None) -> None:
    await office.run_sql(statement)
    await until(lambda: office.held.people == 0)
    assert await office.phone() == phone


async def test_a_statement_that_changes_nothing_says_nothing(office: Office) -> None:
    await office.run_sql("delete from directory_person where phone = '7'")
    await office.run_sql(
        "insert into directory_person (tenant, identity, name, source) values ('other', 'x', 'x', 'x')"
    )
    await office.holds("other")
    assert office.held.people == 2


async def test_another_tenants_change_lets_nothing_go(office: Office) -> None:
    await office.holds("other")
    await office.add("8", tenant="other")
    await office.holds("other")
    assert (await office.phone("other"), await office.phone(), office.readings(Reading.HELD)) == ("8", "1", 3)


async def test_a_tenant_whose_name_is_too_long_for_a_notice_is_seen_to_have_changed(office: Office) -> None:
    tenant = "t" * 9_000
    await office.add("1", tenant=tenant)
    await office.holds(tenant)
    assert office.held.people == 2
    await office.add("2", tenant=tenant)
    await until(lambda: office.held.people == 1)  # it is told apart by its version
    assert await office.phone(tenant) == "2"


async def test_a_reading_that_was_overtaken_is_thrown_away(database: Database) -> None:
    async with Office(database).open() as office:
        await office.add("1")
        office.reader.may_go_on.clear()
        await office.phone()
        await office.reader.has_read.wait()
        await office.add("2")
        office.reader.may_go_on.set()
        await until(lambda: office.readings(Reading.OVERTAKEN) == 1)
        assert (await office.phone(), office.held.people) == ("2", 0)


async def test_a_change_missed_in_a_break_is_seen_when_it_ends(office: Office) -> None:
    await silently(office, "update directory_person set phone = '2'")
    assert await office.phone() == "1"
    await office.notices.start()
    await until(lambda: office.held.people == 0)
    assert await office.phone() == "2"


async def test_a_break_in_which_nothing_changed_lets_nothing_go(office: Office) -> None:
    await silently(office, "select 1")
    await office.notices.start()
    await office.holds("other")
    assert (office.held.people, office.readings(Reading.HELD)) == (1, 2)


async def test_a_notice_that_was_lost_is_made_good_by_the_next_comparison(office: Office) -> None:
    await silently(office, "update directory_person set phone = '2'")
    office.clock.pass_by(COMPARE_EVERY_S)
    await until(lambda: office.held.people == 0)
    assert await office.phone() == "2"


async def test_what_cannot_be_compared_is_let_go(office: Office) -> None:
    await office.notices.stop()
    await office.database.stop()
    office.clock.pass_by(COMPARE_EVERY_S)
    await until(lambda: office.held.people == 0)
    await office.database.start()


async def test_a_directory_nobody_asks_is_let_go(office: Office) -> None:
    office.clock.pass_by(IDLE_S - 1)
    await office.phone()
    office.clock.pass_by(COMPARE_EVERY_S)
    await office.holds("other")
    assert office.held.people == 1
    office.clock.pass_by(IDLE_S)

    def a_look_later() -> bool:
        office.clock.pass_by(COMPARE_EVERY_S)  # it may have compared while the time passed, and rested only then
        return office.held.people == 0

    await until(a_look_later)


async def test_a_large_directory_stays_in_postgres(database: Database) -> None:
    async with Office(database, bytes_max=6_000).open() as office:
        await office.add(*map(str, range(10)))
        assert await office.phone() == "0"
        await until(lambda: office.readings(Reading.TOO_LARGE) == 1)
        assert (await office.phone(), office.held.people) == ("0", 0)
        await office.run_sql("delete from directory_person where phone > '1'")
        await office.holds()
        assert (await office.phone(), office.held.people) == ("0", 2)


async def test_all_tenants_together_have_one_bound(office: Office) -> None:
    office.held._bytes_max = 8_000
    await office.add("1", tenant="other")
    office.clock.pass_by(COMPARE_EVERY_S)
    assert await office.phone("other") == "1"
    await until(lambda: office.readings(Reading.TOO_LARGE) == 1)
    assert office.held.people == 1


async def test_it_keeps_the_contract_of_a_service(database: Database) -> None:
    await check_service_contract(lambda: Office(database).held)

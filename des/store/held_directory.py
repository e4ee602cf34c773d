"""The directory in front of Postgres: small ones are held in memory, whole, and answer from there.

The first question of a tenant begins the reading of its directory, beside the questions: until it is there, and where
it is too large, Postgres answers (`Directory`). What is told to have changed is let go at once, and read again when
asked for; a reading that was overtaken by a change is thrown away. Notices may be missed, so versions are compared
whenever listening begins, and every COMPARE_EVERY_S.
"""

import enum
from collections import Counter
from collections.abc import Mapping, Sequence

from des.clock import Clock
from des.errors import TransientError
from des.lifecycle import TaskOwner
from des.limits import DIRECTORIES_HELD_BYTES_MAX
from des.people import Asked, Known, Near, PatternCount, PeopleSearch
from des.store.held_people import HeldPeople
from des.store.people_reader import PeopleReader
from des.telemetry import Event, logger

log = logger(__name__)

COMPARE_EVERY_S = 30.0
"""A change whose notice was lost shows after this long at the latest."""
IDLE_S = 600.0
"""A directory nobody asked for this long is let go."""
REST_S = 1.0
"""Between a change and reading anew: an import changes a directory with every transaction."""
REST_FACTOR = 10.0
"""Rest of a directory that changes all the time, in times of what reading it takes: a tenth of the work at most."""


class Reading(enum.StrEnum):
    """What a reading of a whole directory ended in."""

    HELD = "held"
    TOO_LARGE = "too_large"
    OVERTAKEN = "overtaken"
    FAILED = "failed"


class _Copy:
    """A directory held, when it was last asked, and what reading it took (seconds, as all times here)."""

    __slots__ = ("asked_at", "people", "reading_s")

    def __init__(self, people: HeldPeople, asked_at: float, reading_s: float) -> None:
        self.people = people
        self.asked_at = asked_at
        self.reading_s = reading_s


class HeldDirectory:
    """A `des.people.PeopleSearch`, and a Service: `start`, `stop`.

    `readings` counts how readings ended.
    """

    name = "held directory"

    def __init__(
        self,
        directory: PeopleSearch,
        reader: PeopleReader,
        clock: Clock,
        bytes_max: int = DIRECTORIES_HELD_BYTES_MAX,
    ) -> None:
        """Take who answers for what is not held, who reads, the clock, and the most memory for all that is held."""
        self._directory = directory
        self._reader = reader
        self._clock = clock
        self._bytes_max = bytes_max
        self._copies: dict[str, _Copy] = {}
        self._reading: str | None = None
        self._overtaken = False
        self._rest_until: dict[str, float] = {}
        self._tasks = TaskOwner(self.name, vital=True)
        self._readings = TaskOwner("reading of a directory")  # not vital: Postgres can answer everything
        self._running = False
        self.readings: Counter[str] = Counter({kind.value: 0 for kind in Reading})

    @property
    def people(self) -> int:
        """People held, of all tenants."""
        return sum(len(copy.people) for copy in self._copies.values())

    async def start(self) -> None:
        """Begin to hold what is asked for."""
        self._running = True
        self._tasks.spawn(self._run(), "look after what is held")

    async def stop(self) -> None:
        """Let everything go; harmless when never started and when repeated."""
        self._running = False
        await self._readings.close()
        await self._tasks.close()
        self._copies.clear()

    # ---- what is told --------------------------------------------------------------------------------------------

    def changed(self, tenant: str) -> None:
        """Hear that a tenant's directory has changed; "" that any may have, unheard."""
        if tenant:
            self._let_go(tenant)
        elif self._running:
            self._overtaken = True
            self._tasks.spawn(self._compare(), "compare versions")

    # ---- what is asked -------------------------------------------------------------------------------------------

    async def exact(
        self, tenant: str, by_identity: Asked, by_company: Asked, by_email: Asked
    ) -> Sequence[tuple[int, Known]]:
        """See PeopleSearch."""
        held = self._held(tenant)
        if held is None:
            return await self._directory.exact(tenant, by_identity, by_company, by_email)
        return held.exact(by_identity, by_company, by_email)

    async def near_domain(self, tenant: str, prefixes: Asked, candidates_max: int) -> Sequence[Near]:
        """See PeopleSearch."""
        held = self._held(tenant)
        if held is None:
            return await self._directory.near_domain(tenant, prefixes, candidates_max)
        return held.near_domain(prefixes, candidates_max)

    async def near_company(
        self, tenant: str, skeletons: Asked, blocks: Sequence[str], candidates_max: int
    ) -> Sequence[Near]:
        """See PeopleSearch."""
        held = self._held(tenant)
        if held is None:
            return await self._directory.near_company(tenant, skeletons, blocks, candidates_max)
        return held.near_company(skeletons, blocks, candidates_max)

    async def patterns(self, tenant: str, by_domain: Asked, by_company: Asked) -> Sequence[tuple[int, PatternCount]]:
        """See PeopleSearch."""
        held = self._held(tenant)
        if held is None:
            return await self._directory.patterns(tenant, by_domain, by_company)
        return held.patterns(by_domain, by_company)

    async def owners(self, tenant: str, emails: Asked) -> Sequence[tuple[int, str, str]]:
        """See PeopleSearch."""
        held = self._held(tenant)
        if held is None:
            return await self._directory.owners(tenant, emails)
        return held.owners(emails)

    def _held(self, tenant: str) -> HeldPeople | None:
        """What is held of a tenant; where nothing is, begin to read it, unless it rests."""
        copy = self._copies.get(tenant)
        now = self._clock.monotonic()
        if copy is not None:
            copy.asked_at = now
            return copy.people
        if self._running and self._reading is None and self._rest_until.get(tenant, now) <= now:
            self._reading, self._overtaken = tenant, False
            self._readings.spawn(self._read(tenant), "read")
        return None

    # ---- holding and letting go ----------------------------------------------------------------------------------

    async def _read(self, tenant: str) -> None:
        """Read a directory and hold it, where there is room and nothing overtook it. One at a time, of all tenants."""
        started_at = self._clock.monotonic()
        result = Reading.FAILED
        try:
            room = self._bytes_max - sum(copy.people.held_bytes for copy in self._copies.values())
            people = await self._reader.read(tenant, room)
            now = self._clock.monotonic()
            if people is None:
                result = Reading.TOO_LARGE
            elif self._overtaken:
                result = Reading.OVERTAKEN
            else:
                result = Reading.HELD
                self._copies[tenant] = _Copy(people, now, now - started_at)
        except TransientError as error:
            log.warning(Event.DIRECTORY_NOT_READ, tenant=tenant, error=str(error))
        finally:
            self._reading = None
            self.readings[result] += 1
            match result:
                case Reading.FAILED | Reading.TOO_LARGE:
                    self._rest(tenant, COMPARE_EVERY_S)
                case Reading.OVERTAKEN:
                    self._rest(tenant, (self._clock.monotonic() - started_at) * REST_FACTOR)
                case Reading.HELD:
                    pass

    def _let_go(self, tenant: str) -> None:
        if self._reading == tenant:
            self._overtaken = True
        copy = self._copies.pop(tenant, None)
        if copy is not None:
            self._rest(tenant, copy.reading_s * REST_FACTOR)
        elif tenant in self._rest_until:
            self._rest(tenant, 0.0)

    def _rest(self, tenant: str, rest_s: float) -> None:
        until = self._clock.monotonic() + max(REST_S, rest_s)
        self._rest_until[tenant] = max(until, self._rest_until.get(tenant, until))

    # ---- looking after what is held ------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(COMPARE_EVERY_S)
            now = self._clock.monotonic()
            self._copies = {name: copy for name, copy in self._copies.items() if now - copy.asked_at < IDLE_S}
            self._rest_until = {name: until for name, until in self._rest_until.items() if until > now}
            await self._compare()

    async def _compare(self) -> None:
        """Let go what has changed unheard; everything, where that cannot be told."""
        tenants = list(self._copies)
        versions: Mapping[str, int] = {}
        if tenants:
            try:
                versions = await self._reader.versions(tenants)
            except TransientError as error:
                log.warning(Event.DIRECTORY_NOT_READ, error=str(error))
                versions = dict.fromkeys(tenants, -1)
        for tenant in tenants:
            copy = self._copies.get(tenant)
            if copy is not None and copy.people.version != versions.get(tenant, 0):
                self._let_go(tenant)

"""One death after another, chosen by a seed: at a named point, at any moment, or together with a server."""

import random
from collections.abc import Callable

from des.failpoints import Failpoint
from des.stack import PrivatePostgres, PrivateRabbitMQ
from tests.faults.service import KILLED
from tests.faults.trial import Trial

POINTS = {
    Failpoint.BEFORE_CONFIRM: 30,
    Failpoint.CONFIRMED_NOT_ANSWERED: 30,
    Failpoint.ACCEPT_BEFORE_COMMIT: 10,
    Failpoint.ACCEPT_COMMITTED_NOT_ACKED: 10,
    Failpoint.CALL_SENT: 200,
    Failpoint.CALL_ANSWERED_NOT_COMMITTED: 200,
    Failpoint.COMMIT_BEFORE: 15,
    Failpoint.COMMIT_AFTER: 15,
    Failpoint.OUTBOX_BEFORE_PUBLISH: 5,
    Failpoint.EVENT_PUBLISHED_NOT_REMOVED: 5,
    Failpoint.DRAIN_STARTED: 1,
}
"""Points a load passes all the time, and up to which hit it is let live."""
LONGEST_LIFE_S = 2.0
AT_A_POINT = 0.5
WITH_A_SERVER = 0.05
PARTED = 0.02
QUEUES_SETTLE_S = 2.0
"""A quorum queue made within the last second may come back without a leader (seen with 3.10)."""


class Deaths:
    """Kills the service of a trial again and again; `servers` die with it now and then where they are given."""

    def __init__(self, seed: int, servers: tuple[PrivatePostgres, PrivateRabbitMQ] | None = None) -> None:
        """Take the seed, and servers that may be killed."""
        self._random = random.Random(seed)
        self._servers = servers

    async def kill(self, life: Trial) -> str:
        """Start the service, let it die once; answer how."""
        if self._random.random() < PARTED:
            await life.load.send(life.population.parted_batch(), life.load.direct_door)
        if self._servers is not None and self._random.random() < WITH_A_SERVER:
            return await self._with_a_server(life, *self._servers)
        if self._random.random() < AT_A_POINT:
            return await self._at_a_point(life)
        if await life.start():
            await life.dies_after(self._random.uniform(0.0, LONGEST_LIFE_S))
        return "at random"

    async def _at_a_point(self, life: Trial) -> str:
        point, hits_max = self._random.choice(list(POINTS.items()))
        if point is not Failpoint.DRAIN_STARTED:
            await life.dies_at(point, self._random.randint(1, hits_max))
            return point.value
        assert await life.start(point)
        await life.load.until_finished(5)
        life.service.terminate()
        assert await life.service.ended() == KILLED, life.service.log_tail()
        return point.value

    async def _with_a_server(self, life: Trial, postgres: PrivatePostgres, rabbitmq: PrivateRabbitMQ) -> str:
        servers: list[tuple[str, PrivatePostgres | PrivateRabbitMQ]] = [("postgres", postgres), ("rabbitmq", rabbitmq)]
        name, server = self._random.choice(servers)
        assert await life.start()
        assert await life.service.outlives(QUEUES_SETTLE_S), life.service.log_tail()
        together = self._random.random() < 0.5
        if together:
            await life.service.kill()
        await server.kill()
        await server.start()
        if together:
            return f"with {name}"
        await life.load.until_finished(5)
        await life.dies_after(self._random.uniform(0.0, LONGEST_LIFE_S))
        return f"after {name}"


async def round_of_kills(life: Trial, deaths: Deaths, kills: int, told: Callable[[str], None]) -> None:
    """Kill so many times under load, then let everything come to its end, and audit it."""
    await life.load.start()
    for _ in range(kills):
        told(await deaths.kill(life))
        life.load.check()
    assert await life.start()
    await life.load.until_finished(10)
    await life.finish()

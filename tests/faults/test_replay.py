"""Sending again changes nothing: everything once more, and one batch by every door."""

from tests.faults.audit import checksum
from tests.faults.trial import Trial


async def test_everything_ever_sent_is_sent_again_and_nothing_changes(life: Trial) -> None:
    assert await life.start()
    await life.load.start()
    await life.load.until_finished(100)
    await life.load.stop()
    await life.load.until_all_finished()
    await life.service.stop()
    sent = life.batches
    async with life.database() as database:
        # A window of deduplication would have been over by now.
        await database.execute("update batch set accepted_at = accepted_at - interval '1 month'")
        await database.execute("update contact set finished_at = finished_at - interval '1 month'")
        before = await checksum(database)
    assert await life.service.start()
    for door in life.load.doors:
        for batch in sent:
            await door.push([batch])
    last = life.population.batch_elsewhere()  # once it is finished, all that was before it in the queue is accepted
    await life.load.send(last)
    await life.load.until_all_finished()
    async with life.database() as database:
        assert await checksum(database, but=last.erid) == before
    await life.finish()


async def test_one_batch_by_every_door_is_one_batch(life: Trial) -> None:
    assert await life.start()
    batches = [life.population.batch() for _ in range(20)]
    for door in life.load.doors:
        for batch in batches:
            await life.load.send(batch, door)
    for batch in batches:
        if not batch.given_id:  # DES gave it one, which is as good
            batch.message.batch_id = str(batch.batch_id)
            await life.load.send(batch, life.load.doors[0])
    await life.load.until_all_finished()
    await life.finish()
    assert {batch.given_id == "" for batch in batches} == {True, False}
    assert len(life.load.sent) == len(batches)

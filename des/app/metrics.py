"""What is watched: where each number of the metrics table is kept."""

from collections import Counter
from collections.abc import Mapping

from des.actors.acceptor import Acceptor
from des.actors.backlog import Backlog
from des.actors.engine import Engine
from des.broker.lanes import Lanes
from des.broker.publisher import AmqpPublisher
from des.ingest.intake import Intake
from des.outbox import Relay
from des.providers.dispatcher import Dispatcher
from des.serving.server import HttpServer
from des.store.held_directory import HeldDirectory
from des.telemetry import Measure, Stage, Telemetry


def watch_ingest(telemetry: Telemetry, intake: Intake) -> None:
    """Watch what the doors have taken, until the broker has confirmed it."""
    watch = telemetry.watch
    watch(Measure.STAGE_IN, lambda: intake.contacts_taken, stage=Stage.INGEST)
    watch(Measure.STAGE_DONE, lambda: intake.contacts_confirmed, stage=Stage.INGEST, outcome="confirmed")
    watch(Measure.STAGE_DONE, lambda: intake.contacts_failed, stage=Stage.INGEST, outcome="failed")
    watch(Measure.STAGE_IN_FLIGHT, lambda: _unconfirmed(intake), stage=Stage.INGEST)


def _unconfirmed(intake: Intake) -> int:
    return intake.contacts_taken - intake.contacts_confirmed - intake.contacts_failed


def watch_relay(telemetry: Telemetry, relay: Relay) -> None:
    """Watch the events that go out."""
    telemetry.watch(Measure.STAGE_DONE, lambda: relay.published, stage=Stage.RELAY, outcome="published")
    telemetry.watch(Measure.STAGE_WAITING, lambda: relay.waiting, stage=Stage.RELAY)
    telemetry.watch(Measure.STAGE_OLDEST, lambda: relay.oldest_s, stage=Stage.RELAY)
    relay.measure(telemetry.seconds(Measure.STAGE_LATENCY, stage=Stage.RELAY))


def watch_consumer(telemetry: Telemetry, consumer: Lanes) -> None:
    """Watch what lies in the ingest queues, and what of it is with this process."""
    telemetry.watch(Measure.STAGE_WAITING, lambda: consumer.messages_ready, stage=Stage.ACCEPT)
    telemetry.watch(Measure.STAGE_IN_FLIGHT, lambda: consumer.unacked, stage=Stage.ACCEPT)


def watch_publisher(telemetry: Telemetry, publisher: AmqpPublisher) -> None:
    """Watch the messages that the broker has not confirmed."""
    telemetry.watch(Measure.STAGE_IN_FLIGHT, lambda: publisher.in_flight, stage=Stage.PUBLISH)


def watch_serving(telemetry: Telemetry, http: HttpServer) -> None:
    """Watch the requests that are answered by HTTP."""
    watch = telemetry.watch
    watch(Measure.STAGE_IN, lambda: http.requests, stage=Stage.SERVE)
    watch(Measure.STAGE_IN_FLIGHT, lambda: http.in_flight, stage=Stage.SERVE)
    telemetry.watch_each(Measure.STAGE_DONE, lambda: http.answered, "outcome", stage=Stage.SERVE)
    http.measure(telemetry.seconds(Measure.STAGE_LATENCY, stage=Stage.SERVE))


def watch_worker(telemetry: Telemetry, engine: Engine, acceptor: Acceptor, backlog: Backlog) -> None:
    """Watch the acceptor, the actors, the committer and every provider."""
    watch = telemetry.watch
    watch(Measure.STAGE_IN, lambda: acceptor.contacts, stage=Stage.ACCEPT)
    watch(Measure.STAGE_DONE, lambda: acceptor.batches, stage=Stage.ACCEPT, outcome="new_batches")
    watch(Measure.STAGE_DONE, lambda: acceptor.duplicates, stage=Stage.ACCEPT, outcome="duplicate_batches")
    watch(Measure.STAGE_OLDEST, acceptor.oldest_s, stage=Stage.ACCEPT)
    _watch_quarantined(telemetry, Stage.ACCEPT, acceptor.quarantined)
    _watch_quarantined(telemetry, Stage.WORK, engine.loader.quarantined)
    _watch_quarantined(telemetry, Stage.COMMIT, engine.committer.quarantined)
    telemetry.watch_each(Measure.FIELDS, lambda: engine.committer.fields, "state")
    watch(Measure.BACKLOG, lambda: backlog.contacts)
    watch(Measure.AGGREGATORS, lambda: len(engine.router))
    watch(Measure.PARTITIONS, lambda: len(engine.router.owned))
    watch(Measure.STAGE_IN_FLIGHT, lambda: engine.scheduler.in_work, stage=Stage.WORK)
    watch(Measure.STAGE_OLDEST, engine.scheduler.oldest_s, stage=Stage.WORK)
    engine.scheduler.measure(telemetry.seconds(Measure.STAGE_LATENCY, stage=Stage.WORK))
    watch(Measure.STAGE_WAITING, lambda: engine.router.contacts_held - engine.scheduler.in_work, stage=Stage.WORK)
    watch(Measure.STAGE_WAITING, lambda: engine.committer.contacts_waiting, stage=Stage.COMMIT)
    watch(Measure.STAGE_DONE, lambda: engine.committer.contacts, stage=Stage.COMMIT, outcome="committed")
    watch(Measure.STAGE_OLDEST, engine.committer.oldest_s, stage=Stage.COMMIT)
    engine.committer.measure(telemetry.seconds(Measure.STAGE_LATENCY, stage=Stage.COMMIT))
    acceptor.measure(telemetry.seconds(Measure.STAGE_LATENCY, stage=Stage.ACCEPT))
    for name, dispatcher in engine.dispatchers.items():
        _watch_provider(telemetry, name, dispatcher)


def watch_directory(telemetry: Telemetry, people: HeldDirectory) -> None:
    """Watch what of the directory is held in memory."""
    telemetry.watch(Measure.DIRECTORY_PEOPLE, lambda: people.people)
    telemetry.watch_each(Measure.DIRECTORY_READINGS, lambda: people.readings, "outcome")


def _watch_provider(telemetry: Telemetry, name: str, dispatcher: Dispatcher) -> None:
    watch = telemetry.watch
    watch(Measure.PROVIDER_CALLS, lambda: dispatcher.calls, provider=name)
    watch(Measure.PROVIDER_WAITING, lambda: dispatcher.waiting, provider=name)
    watch(Measure.PROVIDER_IN_FLIGHT, lambda: dispatcher.in_flight, provider=name)
    watch(Measure.PROVIDER_PAUSED, lambda: dispatcher.paused, provider=name)
    telemetry.watch_each(Measure.PROVIDER_STALLED, lambda: _stalled(dispatcher), "reason", provider=name)
    dispatcher.measure(telemetry.seconds(Measure.PROVIDER_LATENCY, provider=name))
    telemetry.watch_each(Measure.PROVIDER_OUTCOMES, lambda: dispatcher.outcomes, "outcome", provider=name)


def _stalled(dispatcher: Dispatcher) -> Mapping[str, float]:
    contacts: Counter[str] = Counter()
    for row in dispatcher.stalls():
        contacts[row.reason.value] += row.contacts
    return contacts


def _watch_quarantined(telemetry: Telemetry, stage: Stage, by_reason: Mapping[str, int]) -> None:
    """By reason, and all together: a counter that is there at zero, which `rate` needs to see the first one."""
    telemetry.watch(Measure.STAGE_DONE, lambda: sum(by_reason.values()), stage=stage, outcome="quarantined")
    telemetry.watch_each(Measure.QUARANTINED, lambda: by_reason, "reason", stage=stage)

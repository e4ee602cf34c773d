"""What DES says about itself: every log event and every metric, named in one table each.

A stage counts by the group, never by the contact, and what it keeps in plain attributes is read when somebody scrapes:
`Telemetry` costs nothing in between. Labels are closed sets (a stage, a provider, an outcome); an ERID, a tenant or
any other id is never one.
"""

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector


class Event(enum.StrEnum):
    """Names of log events; what varies is in their fields, never in the name."""

    SERVICE_STARTED = "service_started"
    SERVICE_START_FAILED = "service_start_failed"
    SERVICE_STOPPED = "service_stopped"
    SERVICE_STOP_CUT_SHORT = "service_stop_cut_short"
    SIGNAL_RECEIVED = "signal_received"
    TASK_FAILED = "task_failed"
    BROKER_CONNECTED = "broker_connected"
    BROKER_CONNECTION_FAILED = "broker_connection_failed"
    BROKER_CONNECTION_LOST = "broker_connection_lost"
    BROKER_CONNECTION_DROPPED = "broker_connection_dropped"
    BROKER_ALARM = "broker_alarm"
    RELAY_WAITS = "relay_waits"
    LEASES_CHANGED = "leases_changed"
    LEASES_UNRENEWED = "leases_unrenewed"
    PROVIDER_PAUSED = "provider_paused"
    PROVIDER_FAILED = "provider_failed"
    STALLS_UNTOLD = "stalls_untold"
    CALLS_ORPHANED = "calls_orphaned"
    CLAIM_RETRIED = "claim_retried"
    CLAIM_REFUSED = "claim_refused"
    SETTLEMENT_REFUSED = "settlement_refused"
    BACKLOG_RETRIED = "backlog_retried"
    LATE_RETRIED = "late_retried"
    STANDINGS_NOT_READ = "standings_not_read"
    DIRECTORY_NOT_READ = "directory_not_read"
    LOAD_RETRIED = "load_retried"
    SCAN_RETRIED = "scan_retried"
    ACTOR_FAILED = "actor_failed"
    ACTOR_REBUILT = "actor_rebuilt"
    ACTOR_STALE = "actor_stale"
    TELLING_FAILED = "telling_failed"
    ACCEPT_RETRIED = "accept_retried"
    COMMIT_RETRIED = "commit_retried"
    COMMIT_ISOLATED = "commit_isolated"
    UNIT_QUARANTINED = "unit_quarantined"
    BATCH_QUARANTINED = "batch_quarantined"
    BATCH_UNREADABLE = "batch_unreadable"
    PARTITIONS_RECOVERED = "partitions_recovered"
    LISTENER_RESTARTED = "listener_restarted"
    ENGINE_DRAINED = "engine_drained"
    REQUEST_FAILED = "request_failed"


class Stage(enum.StrEnum):
    """The stages a batch goes through, in their order; the label `stage`. In brackets: what one of its items is."""

    INGEST = "ingest"
    """Doors and intake, until confirmed [contact]."""
    PUBLISH = "publish"
    """Messages until the broker has confirmed them [message]."""
    ACCEPT = "accept"
    """From delivery to acknowledgement [contact]."""
    WORK = "work"
    """Aggregators, from the window to the decision on every field [contact]."""
    COMMIT = "commit"
    """Finished contacts until they are in Postgres [contact]."""
    RELAY = "relay"
    """Events, until published and removed [event]."""
    SERVE = "serve"
    """Requests for what is in Postgres [request]."""


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One row of the table; names follow Prometheus: base units, `_total` for what only grows."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str


LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
"""From one commit (about 2 ms) to a provider that is down for an hour."""


class Measure(enum.Enum):
    """Every metric; `des_` names, Prometheus conventions."""

    STAGE_IN = MetricRow("des_stage_in_total", "counter", ("stage",), "Items that came in.")
    STAGE_DONE = MetricRow("des_stage_done_total", "counter", ("stage", "outcome"), "Items that went out, and how.")
    STAGE_WAITING = MetricRow("des_stage_waiting", "gauge", ("stage",), "Items waiting for their turn.")
    STAGE_IN_FLIGHT = MetricRow("des_stage_in_flight", "gauge", ("stage",), "Items being worked on.")
    STAGE_OLDEST = MetricRow("des_stage_oldest_age_seconds", "gauge", ("stage",), "Age of the oldest item inside.")
    STAGE_LATENCY = MetricRow("des_stage_seconds", "histogram", ("stage",), "Time of one group in a stage.")
    PROVIDER_CALLS = MetricRow("des_provider_calls_total", "counter", ("provider",), "Calls made.")
    PROVIDER_OUTCOMES = MetricRow(
        "des_provider_outcomes_total", "counter", ("provider", "outcome"), "Questions answered, by outcome."
    )
    PROVIDER_WAITING = MetricRow("des_provider_waiting", "gauge", ("provider",), "Questions waiting for a call.")
    PROVIDER_IN_FLIGHT = MetricRow("des_provider_in_flight", "gauge", ("provider",), "Calls without an answer yet.")
    PROVIDER_LATENCY = MetricRow("des_provider_call_seconds", "histogram", ("provider",), "Time of one call.")
    PROVIDER_PAUSED = MetricRow(
        "des_provider_paused", "gauge", ("provider",), "1 until a provider that is left alone has answered again."
    )
    PROVIDER_STALLED = MetricRow(
        "des_provider_stalled", "gauge", ("provider", "reason"), "Contacts that wait while no calls go out, by reason."
    )
    BACKLOG = MetricRow("des_backlog_contacts", "gauge", (), "Contacts accepted and not finished, over all workers.")
    AGGREGATORS = MetricRow("des_aggregators", "gauge", (), "ERIDs with an aggregator in this process.")
    PARTITIONS = MetricRow("des_partitions_held", "gauge", (), "Partitions leased by this process.")
    DIRECTORY_PEOPLE = MetricRow(
        "des_directory_people_held", "gauge", (), "People of the directory that this process holds in memory."
    )
    DIRECTORY_READINGS = MetricRow(
        "des_directory_readings_total", "counter", ("outcome",), "Readings of a whole directory, and how they ended."
    )
    FIELDS = MetricRow("des_fields_total", "counter", ("state",), "Fields that ended, by the state they ended in.")
    QUARANTINED = MetricRow("des_quarantined_total", "counter", ("stage", "reason"), "Things quarantined.")


Read = Callable[[], float]
"""Reads a number where it is kept."""


class Telemetry:
    """The metrics of one process. What counts by itself is watched; what has a latency is measured.

    Stages keep their counts in plain attributes and the composition root has them watched:

        telemetry.watch(Measure.STAGE_WAITING, lambda: acceptor.waiting, stage=Stage.ACCEPT)
        telemetry.watch_each(Measure.PROVIDER_OUTCOMES, lambda: dispatcher.outcomes, "outcome", provider="hunter")
        seconds = telemetry.seconds(Measure.STAGE_LATENCY, stage=Stage.COMMIT)  # then seconds(0.012), once a group
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Take the registry to appear in; None makes one with nothing but this process in it."""
        self.registry = registry if registry is not None else CollectorRegistry()
        self._watched = _Watched()
        self._measured: dict[Measure, Counter | Gauge | Histogram] = {}
        self.registry.register(self._watched)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def watch(self, measure: Measure, read: Read, **labels: str) -> None:
        """Have `read` called at each scrape; of a counter it must never go back."""
        self._refuse(measure, measure in self._measured)
        self._watched.add(measure, lambda: (((), read()),), _ordered(measure, labels))

    def watch_each(self, measure: Measure, read: Callable[[], Mapping[str, float]], label: str, **labels: str) -> None:
        """Have a mapping read at each scrape, its keys being the values of the last label."""
        row = measure.value
        if row.labels[-1] != label:
            raise ValueError(f"the last label of {row.name} is {row.labels[-1]}, not {label}")
        self._refuse(measure, measure in self._measured)
        self._watched.add(
            measure,
            lambda: [((key,), value) for key, value in tuple(read().items())],
            _ordered(measure, labels, but=label),
        )

    def count(self, measure: Measure, **labels: str) -> Callable[[float], None]:
        """Return what adds to a counter: call it once a group."""
        self._refuse(measure, measure in self._watched)
        row = measure.value
        counter = self._measured.get(measure) or Counter(row.name, row.help, row.labels, registry=self.registry)
        self._measured[measure] = counter
        return _child(counter, measure, labels).inc  # type: ignore[no-any-return]  # a Counter's child

    def seconds(self, measure: Measure, **labels: str) -> Callable[[float], None]:
        """Return what takes a duration: call it once a group."""
        self._refuse(measure, measure in self._watched)
        row = measure.value
        histogram = self._measured.get(measure) or Histogram(
            row.name, row.help, row.labels, registry=self.registry, buckets=LATENCY_BUCKETS_S
        )
        self._measured[measure] = histogram
        return _child(histogram, measure, labels).observe  # type: ignore[no-any-return]  # a Histogram's child

    @staticmethod
    def _refuse(measure: Measure, done: bool) -> None:
        if done:
            raise ValueError(f"{measure.value.name} is both watched and counted; a scrape would show it twice")


Samples = Callable[[], Iterable[tuple[tuple[str, ...], float]]]


class _Watched(Collector):
    """Reads everything that is watched when somebody scrapes."""

    def __init__(self) -> None:
        self._by_measure: dict[Measure, list[tuple[tuple[str, ...], Samples]]] = {}

    def __contains__(self, measure: Measure) -> bool:
        return measure in self._by_measure

    def add(self, measure: Measure, samples: Samples, labels: tuple[str, ...]) -> None:
        self._by_measure.setdefault(measure, []).append((labels, samples))

    def collect(self) -> Iterator[Metric]:
        for measure, entries in self._by_measure.items():
            row = measure.value
            kind = CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily
            family = kind(row.name, row.help, labels=row.labels)
            for labels, samples in entries:
                for more, value in samples():
                    family.add_metric((*labels, *more), value)
            yield family


def logger(module: str) -> Any:
    """Log as a module (its `__name__`): debug, info, warning, error, exception take an Event and fields."""
    return structlog.get_logger(module=module)


def _child(metric: Any, measure: Measure, labels: dict[str, str]) -> Any:
    values = _ordered(measure, labels)
    return metric.labels(*values) if values else metric


def _ordered(measure: Measure, labels: dict[str, str], but: str = "") -> tuple[str, ...]:
    """Values in the order of the row's labels. Raises ValueError where they are not exactly those."""
    row = measure.value
    wanted = [label for label in row.labels if label != but]
    if set(wanted) != labels.keys():
        raise ValueError(f"{row.name} has the labels {wanted}, not {sorted(labels)}")
    return tuple(str(labels[label]) for label in wanted)

"""Metrics are what the stages count, under the names of the table; nothing is labelled with an id."""

from collections import Counter

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from des.telemetry import Event, Measure, Stage, Telemetry


def test_what_is_watched_is_read_at_each_scrape() -> None:
    telemetry = Telemetry()
    waiting = [3.0, 5.0]
    telemetry.watch(Measure.STAGE_WAITING, lambda: waiting.pop(0), stage=Stage.ACCEPT)
    value = 'des_stage_waiting{stage="accept"}'
    assert f"{value} 3.0" in generate_latest(telemetry.registry).decode()
    assert f"{value} 5.0" in generate_latest(telemetry.registry).decode()


def test_counts_kept_elsewhere_are_watched_by_key() -> None:
    telemetry = Telemetry()
    outcomes = Counter(found=2, miss=1)
    telemetry.watch_each(Measure.PROVIDER_OUTCOMES, lambda: outcomes, "outcome", provider="hunter")
    telemetry.watch_each(Measure.PROVIDER_OUTCOMES, lambda: {"found": 9}, "outcome", provider="directory")
    text = generate_latest(telemetry.registry).decode()
    assert 'des_provider_outcomes_total{outcome="found",provider="hunter"} 2.0' in text
    assert 'des_provider_outcomes_total{outcome="miss",provider="hunter"} 1.0' in text
    assert 'des_provider_outcomes_total{outcome="found",provider="directory"} 9.0' in text
    assert text.count("# TYPE des_provider_outcomes_total counter") == 1


def test_groups_are_counted_and_timed() -> None:
    telemetry = Telemetry(CollectorRegistry())
    telemetry.count(Measure.STAGE_IN, stage=Stage.COMMIT)(1000)
    telemetry.count(Measure.STAGE_IN, stage=Stage.COMMIT)(500)
    telemetry.count(Measure.STAGE_IN, stage=Stage.ACCEPT)(1)
    telemetry.seconds(Measure.STAGE_LATENCY, stage=Stage.COMMIT)(0.004)
    sample = telemetry.registry.get_sample_value
    assert sample("des_stage_in_total", {"stage": "commit"}) == 1500
    assert sample("des_stage_in_total", {"stage": "accept"}) == 1
    assert sample("des_stage_seconds_bucket", {"stage": "commit", "le": "0.0025"}) == 0
    assert sample("des_stage_seconds_bucket", {"stage": "commit", "le": "0.005"}) == 1


def test_a_measure_is_watched_or_counted() -> None:
    telemetry = Telemetry()
    telemetry.watch(Measure.STAGE_IN, lambda: 1.0, stage=Stage.ACCEPT)
    telemetry.count(Measure.QUARANTINED, stage=Stage.ACCEPT, reason="EMPTY_BATCH")(1)
    with pytest.raises(ValueError, match="des_stage_in_total is both watched and counted"):
        telemetry.count(Measure.STAGE_IN, stage=Stage.COMMIT)
    with pytest.raises(ValueError, match="des_quarantined_total is both watched and counted"):
        telemetry.watch(Measure.QUARANTINED, lambda: 1.0, stage=Stage.ACCEPT, reason="EMPTY_BATCH")


def test_processes_do_not_share_metrics() -> None:
    one, other = Telemetry(), Telemetry()
    one.count(Measure.STAGE_IN, stage=Stage.INGEST)(1)
    assert other.registry.get_sample_value("des_stage_in_total", {"stage": "ingest"}) is None


def test_labels_are_exactly_those_of_the_table() -> None:
    with pytest.raises(ValueError, match="des_backlog_contacts has the labels"):
        Telemetry().watch(Measure.BACKLOG, lambda: 0.0, stage="accept")
    with pytest.raises(ValueError, match="last label of des_fields_total is state"):
        Telemetry().watch_each(Measure.FIELDS, dict, "outcome")


@pytest.mark.parametrize("measure", Measure)
def test_rows_follow_the_conventions(measure: Measure) -> None:
    row = measure.value
    assert row.name.startswith("des_")
    assert row.name.endswith("_total") == (row.kind == "counter")
    assert (row.kind == "histogram") <= row.name.endswith("_seconds")
    assert set(row.labels) <= {"stage", "outcome", "provider", "state", "reason"}
    assert row.help.endswith(".")


def test_events_are_named_as_they_are_written() -> None:
    assert [event for event in Event if event.name.lower() != event.value] == []

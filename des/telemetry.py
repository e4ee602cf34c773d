"""What DES says about itself: every log event and every metric, named in one place each."""

import enum
from typing import Any

import structlog


class Event(enum.StrEnum):
    """Names of log events; what varies is in their fields, never in the name."""

    SERVICE_STARTED = "service_started"
    SERVICE_START_FAILED = "service_start_failed"
    SERVICE_STOPPED = "service_stopped"
    SERVICE_STOP_CUT_SHORT = "service_stop_cut_short"
    SIGNAL_RECEIVED = "signal_received"
    TASK_FAILED = "task_failed"
    BROKER_CONNECTED = "broker_connected"
    BROKER_CONNECTION_LOST = "broker_connection_lost"
    BROKER_CONNECTION_DROPPED = "broker_connection_dropped"
    RELAY_WAITS = "relay_waits"
    LEASES_CHANGED = "leases_changed"
    LEASES_UNRENEWED = "leases_unrenewed"
    PROVIDER_PAUSED = "provider_paused"
    PROVIDER_FAILED = "provider_failed"
    LOAD_RETRIED = "load_retried"
    SCAN_RETRIED = "scan_retried"
    ACTOR_FAILED = "actor_failed"
    ACTOR_REBUILT = "actor_rebuilt"
    ACTOR_STALE = "actor_stale"
    ACCEPT_RETRIED = "accept_retried"
    COMMIT_RETRIED = "commit_retried"
    COMMIT_ISOLATED = "commit_isolated"
    UNIT_QUARANTINED = "unit_quarantined"
    BATCH_QUARANTINED = "batch_quarantined"
    PARTITIONS_RECOVERED = "partitions_recovered"
    LISTENER_RESTARTED = "listener_restarted"
    ENGINE_DRAINED = "engine_drained"
    REQUEST_FAILED = "request_failed"


def logger(module: str) -> Any:
    """Log as a module (its `__name__`): debug, info, warning, error, exception take an Event and fields."""
    return structlog.get_logger(module=module)

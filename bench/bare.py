"""The bare provider (`bare_provider.py`) as DES is told of it, and how it is run."""

import contextlib
from typing import Any

from bench.harness import Rig
from bench.processes import Measured

SLOTS = 64
FIELD = "professional_email"


def slots_each(processes: int) -> int:
    """What each of so many processes has of the slots."""
    return max(1, SLOTS // processes)


def settings(url: str, *, paid: bool = False, processes: int = 1) -> dict[str, Any]:
    """Settings under which the field is asked of the bare provider and of nobody else, one call per contact.

    `paid`: each for a credit. `processes` divide the slots among themselves.
    """
    provider = {
        "kind": "http",
        "concurrency": slots_each(processes),
        "request": {
            "url": f"{url}/v1/find",
            "query": {"first_name": "{first_name!}", "last_name": "{last_name!}", "company": "{domain!}"},
        },
        "values": {FIELD: {"path": "data.email", "confidence_path": "data.score", "confidence_scale": 100}},
        **({"paid": True, "price": 1.0} if paid else {}),
    }
    return {"providers": {"bare": provider}, "fields": {FIELD: {"type": "email", "waterfall": ["bare"]}}}


def provider(rig: Rig, delay_ms: float = 0) -> contextlib.AbstractAsyncContextManager[Measured]:
    """Run it; its first line has the `url`."""
    return rig.peer("bare_provider", "--delay-ms", str(delay_ms))

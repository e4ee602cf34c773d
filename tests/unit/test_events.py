"""Events: an id for each happening, the same however often it is built, and data a consumer can act on."""

import json
from uuid import UUID

from des.events import Progress, batch_finished, enrichment_completed, enrichment_settled

ERID = UUID("3c3f4b80-f728-4d7c-8567-1bc01df5f0a1")
BATCH = UUID("0725fa7a-0b40-4dcf-a96e-00cc9348888f")
PROGRESS = Progress(2, 2, 1, 1, {"found": 3, "not_found": 1})


def test_the_same_happening_is_the_same_event() -> None:
    assert batch_finished("default", ERID, BATCH, 2) == batch_finished("default", ERID, BATCH, 2)
    first = enrichment_settled("default", ERID, 1, PROGRESS, ["professional_email"])
    assert first == enrichment_settled("default", ERID, 1, PROGRESS, ["professional_email"])


def test_ids_are_for_ever() -> None:
    assert str(batch_finished("default", ERID, BATCH, 2).id) == "526d70e6-2fc2-568a-b15d-8f6437001f0c"
    assert str(enrichment_settled("default", ERID, 1, PROGRESS, []).id) == "b8e64eed-7f2f-563b-af78-85a93ff19061"


def test_different_happenings_have_different_ids() -> None:
    events = [
        batch_finished("default", ERID, BATCH, 2),
        batch_finished("other", ERID, BATCH, 2),
        batch_finished("default", BATCH, BATCH, 2),
        batch_finished("default", ERID, ERID, 2),
        enrichment_settled("default", ERID, 1, PROGRESS, []),
        enrichment_settled("default", ERID, 2, PROGRESS, []),
        enrichment_completed("default", ERID, 1, PROGRESS, []),
    ]
    assert len({event.id for event in events}) == len(events)


def test_the_payload_says_what_happened() -> None:
    assert json.loads(enrichment_completed("default", ERID, 3, PROGRESS, ["professional_email"]).payload) == {
        "erid": str(ERID),
        "tenant": "default",
        "revision": 3,
        "progress": {
            "contacts": 2,
            "contacts_done": 2,
            "batches": 1,
            "batches_done": 1,
            "fields": {"found": 3, "not_found": 1},
        },
        "fields": ["professional_email"],
    }
    assert json.loads(batch_finished("default", ERID, BATCH, 2).payload) == {
        "erid": str(ERID),
        "tenant": "default",
        "batch_id": str(BATCH),
        "contacts": 2,
    }

"""Page tokens: read back as written, and refused as anything else."""

import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from des.errors import InvalidInput
from des.events import Progress
from des.serving.paging import contact_place, contact_token, enrichment_place, enrichment_token, page_size
from des.store.reading import Enrichment, EnrichmentState, Place

ERID = UUID("3c3f4b80-f728-4d7c-8567-1bc01df5f0a1")


@given(st.uuids(), st.integers(0, 2**63 - 1), st.integers(0, 2**31 - 1))
def test_a_place_is_read_back(erid: UUID, seq: int, position: int) -> None:
    assert contact_place(contact_token(erid, Place(seq, position)), erid) == Place(seq, position)


@given(st.uuids(), st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds the zone
def test_a_creation_time_is_read_back_to_the_microsecond(erid: UUID, created: datetime) -> None:
    assert enrichment_place(enrichment_token(_enrichment(erid, created))) == (created, erid)


@given(st.text(min_size=1) | st.binary(min_size=1).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_anything_else_is_refused_by_name(text: str) -> None:
    for read in (lambda: contact_place(text, ERID), lambda: enrichment_place(text)):
        with pytest.raises(InvalidInput) as caught:
            read()
        assert caught.value.reason == "INVALID_PAGE_TOKEN"


def test_a_token_serves_only_what_it_was_made_for() -> None:
    token = contact_token(ERID, Place(1, 2))
    with pytest.raises(InvalidInput):
        contact_place(token, UUID(int=1))
    with pytest.raises(InvalidInput):
        enrichment_place(token)
    with pytest.raises(InvalidInput):
        contact_place(enrichment_token(_enrichment(ERID, datetime.now(UTC))), ERID)


def test_no_token_is_the_first_page() -> None:
    assert contact_place("", ERID) is None
    assert enrichment_place("") is None


@pytest.mark.parametrize(("asked", "given"), [(0, 100), (1, 1), (1_000, 1_000), (2**31 - 1, 1_000)])
def test_a_page_has_what_was_asked_within_bounds(asked: int, given: int) -> None:
    assert page_size(asked, 100, 1_000) == given


def _enrichment(erid: UUID, created: datetime) -> Enrichment:
    progress = Progress(0, 0, 0, 0, {})
    later = created + timedelta(seconds=1)
    return Enrichment("default", erid, EnrichmentState.OPEN, False, 0, progress, (), created, later)

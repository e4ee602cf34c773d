"""How often a question is looked at again that waits for room in its budget."""

from uuid import UUID

from des.providers.room import LOOK_FIRST_S, LOOK_MAX_S, Room

ERID, OTHER = UUID(int=1), UUID(int=2)


def test_it_is_looked_at_ever_more_rarely() -> None:
    room = Room()
    looks = [room.look_after_s(ERID, now) for now in (100.0, 100.3, 104.0, 200.0)]
    assert looks == [LOOK_FIRST_S, LOOK_FIRST_S, 2.0, LOOK_MAX_S]
    assert room.look_after_s(OTHER, 200.0) == LOOK_FIRST_S, "each for itself"


def test_once_there_was_room_it_begins_anew() -> None:
    room = Room()
    room.look_after_s(ERID, 0.0)
    room.found(ERID)
    room.found(OTHER)
    assert len(room) == 0
    assert room.look_after_s(ERID, 60.0) == LOOK_FIRST_S

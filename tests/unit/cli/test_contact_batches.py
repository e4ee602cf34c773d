"""Batches of a file: the same when it is pushed again, and without the rows that no door would take."""

from uuid import UUID

from des.cli.contact_batches import FileBatch, cut
from des.cli.contact_file import Row, Unreadable
from des.contact import Contact

ERID = UUID("3c3f4b80-f728-4d7c-8567-1bc01df5f0a1")
FIELDS = ["professional_email", "phone_number"]


def rows(*names: str) -> list[Row | Unreadable]:
    return [Row(line, Contact(full_name=name)) for line, name in enumerate(names, start=2)]


def batches(source: list[Row | Unreadable], size: int = 2) -> tuple[list[FileBatch], list[Unreadable]]:
    rejected: list[Unreadable] = []
    return list(cut(source, ERID, FIELDS, size, rejected.append)), rejected


def test_every_row_is_in_one_batch_with_its_line() -> None:
    made, rejected = batches(rows("Ann", "Bob", "Cid"))
    assert [[contact.full_name for contact in batch.contacts] for batch in made] == [["Ann", "Bob"], ["Cid"]]
    assert [batch.lines for batch in made] == [[2, 3], [4]]
    assert rejected == []


def test_the_same_file_makes_the_same_batches_whatever_the_order_of_the_fields() -> None:
    first, _ = batches(rows("Ann", "Bob", "Cid"))
    again = list(cut(rows("Ann", "Bob", "Cid"), ERID, FIELDS[::-1], 2, print))
    assert [batch.batch_id for batch in first] == [batch.batch_id for batch in again]


def test_rows_added_at_the_end_leave_the_full_batches_as_they_were() -> None:
    before, _ = batches(rows("Ann", "Bob", "Cid"))
    after, _ = batches(rows("Ann", "Bob", "Cid", "Dan"))
    assert before[0].batch_id == after[0].batch_id
    assert before[1].batch_id != after[1].batch_id


def test_people_who_stand_twice_in_a_file_are_sent_twice() -> None:
    made, _ = batches(rows("Ann", "Ann", "Ann", "Ann"))
    assert len({batch.batch_id for batch in made}) == 2


def test_rows_that_break_a_rule_are_reported_by_line_and_their_neighbours_go() -> None:
    source = [*rows("Ann", " ", "C\0id", "x" * 1_001), Unreadable(6, "MALFORMED_CSV", "…")]
    made, rejected = batches(source, size=10)
    assert [batch.lines for batch in made] == [[2]]
    assert {one.line: one.reason for one in rejected} == {
        3: "EMPTY_CONTACT",
        4: "INVALID_TEXT",
        5: "TEXT_TOO_LONG",
        6: "MALFORMED_CSV",
    }
    assert all("contact_list" not in one.message for one in rejected)


def test_a_batch_without_a_sound_row_is_left_out() -> None:
    made, rejected = batches(rows(" ", "", "Cid"))
    assert [batch.lines for batch in made] == [[4]]
    assert len(rejected) == 2

"""The people of the sandbox: the same ones each time, and as messy as real ones."""

import csv
import io

from des.contact import FieldType
from des.providers.values import Values
from des.sandbox.population import CSV_COLUMNS, JANE, JOHN, Population, inquiries, population_csv


def test_a_seed_makes_the_same_people_and_a_small_world_is_the_beginning_of_a_large_one() -> None:
    small, large, other = Population(7, 500), Population(7, 2_000), Population(8, 500)
    assert small.people == large.people[:500]
    assert small.people[2:] != other.people[2:]
    assert (small.people[:2], len(large.people)) == ([JOHN, JANE], 2_000)


def test_every_value_is_already_in_its_one_form() -> None:
    values = Values()
    for person in Population(1, 3_000).people:
        assert values.normalise(FieldType.EMAIL, person.email) == person.email
        assert values.normalise(FieldType.PHONE, person.phone) == person.phone
        assert values.normalise(FieldType.URL, person.linkedin_url) == person.linkedin_url


def test_the_mess_of_real_data_is_there() -> None:
    people = Population(1, 3_000).people
    names = {f"{person.first_name} {person.last_name}" for person in people}
    assert any(not name.isascii() for name in names)
    assert any("\u0400" <= name[0] <= "\u04ff" for name in names)
    assert any(" " in person.last_name or "-" in person.last_name for person in people)
    assert len({person.email for person in people}) < len(people)
    assert any(person.erased for person in people)
    assert any(person.company.catch_all for person in people)
    assert any(person.nickname for person in people)
    moved = [person for person in people if person.former]
    assert 0.03 < len(moved) / len(people) < 0.07
    assert all(person.former is not person.company for person in moved)
    assert any(not person.known_to(vendor, share) for person in people for vendor, share in [("hunter", 0.7)])


def test_who_has_moved_is_asked_about_at_the_former_company_and_found_at_the_present_one() -> None:
    population = Population(3, 1_000)
    moved = next(person for person in population.people if person.former and not person.erased)
    assert moved.former is not None
    found = population.find(f"{moved.first_name} {moved.last_name}", moved.former.domain)
    assert found is not None
    assert found.email.endswith(f"@{found.company.domain}")
    asked = {contact.company_domain or contact.company_name for contact in inquiries(3, 1_000)}
    assert moved.former.domain in asked or moved.former.name in asked


def test_every_messy_inquiry_finds_its_person_and_no_stranger_is_found() -> None:
    population = Population(3, 1_000)
    for contact in inquiries(3, 1_000):
        name = contact.full_name or f"{contact.first_name} {contact.last_name}"
        person = population.find(name, contact.company_domain or contact.company_name)
        assert (person is None) == (contact.last_name == "Nemo"), contact


def test_a_vendor_knows_its_share() -> None:
    people = Population(1, 4_000).people
    known = sum(person.known_to("hunter", 0.7) for person in people) / len(people)
    assert 0.67 < known < 0.73
    assert all(person.known_to("anybody", 0.0) for person in (JOHN, JANE))


def test_the_csv_is_a_share_of_the_people() -> None:
    rows = list(csv.DictReader(io.StringIO(population_csv(1, 2_000, 0.5))))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert rows[0]["professional_email"] == "john.doe@sayprimer.com"
    assert 900 < len(rows) < 1_100
    assert population_csv(1, 2_000, 0.5) == population_csv(1, 2_000, 0.5)
    assert len(population_csv(1, 2_000, 1.0).splitlines()) > 1_950

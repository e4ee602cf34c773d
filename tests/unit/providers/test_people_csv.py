"""CSV files as people write them."""

import io

from des.contact import FieldType
from des.people import Person
from des.providers.people_csv import PeopleCsv, Problem, Reason

FIELDS = {
    "professional_email": FieldType.EMAIL,
    "phone_number": FieldType.PHONE,
    "linkedin_url": FieldType.URL,
    "job_title": FieldType.TEXT,
    "favourite_colour": FieldType.TEXT,
}


def read(data: bytes) -> tuple[list[Person], list[Problem]]:
    rows = list(PeopleCsv(io.BytesIO(data), FIELDS))
    people = [row for row in rows if isinstance(row, Person)]
    return people, [row for row in rows if isinstance(row, Problem)]


def test_a_messy_file() -> None:
    data = (
        b"\xef\xbb\xbfFirst Name;Surname;Company;Website;E-Mail;Phone;Country;Favourite Colour;Notes\r\n"
        b'Jane;"Doe; PhD";Acme GmbH;https://www.acme.de/x;Jane.Doe@ACME.de;030 123456;DE;"light\nblue";x\r\n'
        b"\r\n"
        b"J\xfcrgen;M\xfcller;Acme GmbH;acme.de;j.m@acme.de;;;;\r\n"
        b"John;Doe;Acme;acme.de;not an address;;;red;\r\n"
        b";;Acme;acme.de;info@acme.de;;;;\r\n"
        b"No;Body;;;nobody@gmail.com;;;;\r\n"
        b"Nothing;Known;Acme;acme.de;;;;;\r\n"
        b"Jane;Doe;Acme;acme.de;other@acme.de;;;;\r\n"
        b"A;B;C;c.com;a@c.com;;;;;;\r\n"
    )
    people, problems = read(data)
    jane, john = people
    assert jane.identity.split("\x1f") == ["acme.de", "dj", "jane doe"]
    assert jane.by_company is not None
    assert jane.by_company.split("\x1f") == ["acme", "dj", "jane doe"]
    assert (jane.email, jane.phone) == ("jane.doe@acme.de", "+4930123456")
    assert jane.patterns == ("{first}.{last}@acme.de",)
    assert jane.extra == '{"favourite_colour":"light blue"}'
    assert (john.email, john.patterns, john.extra) == (None, None, '{"favourite_colour":"red"}')
    assert [(problem.line, problem.reason) for problem in problems] == [
        (5, Reason.BAD_UTF8),
        (6, Reason.INVALID_VALUE),
        (7, Reason.NO_NAME),
        (8, Reason.NO_COMPANY),
        (9, Reason.NO_VALUE),
        (10, Reason.DUPLICATE),
        (11, Reason.TOO_MANY_CELLS),
    ]
    assert problems[5].message == "the same person as line 2"


def test_a_file_without_what_is_needed_says_what() -> None:
    for header in (b"", b"company,email\n", b"name,company\n"):
        people, problems = read(header + b"x,y\n" if header else b"")
        assert not people
        assert [problem.reason for problem in problems] == [Reason.NO_COLUMNS]


def test_the_domain_is_taken_from_the_address_but_for_public_mail() -> None:
    people, _ = read(b"name,company,email\nA B,Acme,a@acme.io\nC D,Acme,cd@gmail.com\n")
    assert [person.domain for person in people] == ["acme.io", None]
    assert people[1].identity == people[1].by_company
    assert people[1].patterns is None


def test_a_company_that_is_a_domain_is_known_by_its_label_too() -> None:
    (person,), _ = read(b"name,company,email\nJohn Doe,sayprimer.com,john@sayprimer.com\n")
    assert (person.domain, person.company) == ("sayprimer.com", "sayprimer")


def test_with_and_without_a_domain_is_one_person_two_domains_are_two() -> None:
    people, problems = read(
        b"name,company,domain,title\nA B,Acme,acme.com,x\nA B,Acme,,y\nA B,Acme,acme.de,z\n"
        b"C D,Acme,,x\nC D,Acme,acme.com,y\n"
    )
    assert [person.domain for person in people] == ["acme.com", "acme.de", None]
    assert [(problem.line, problem.reason) for problem in problems] == [(3, Reason.DUPLICATE), (6, Reason.DUPLICATE)]


def test_a_missing_quote_does_not_swallow_the_file() -> None:
    filler = b"".join(b"P%d Q,Acme,t\n" % at for at in range(20_000))
    people, problems = read(b'name,company,title\nA B,Acme,"x\n' + filler)
    assert problems
    assert all(problem.reason is Reason.MALFORMED for problem in problems)
    assert len(people) > 5_000

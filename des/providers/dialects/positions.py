"""Whether the people in a reply stand where they were asked for, when nothing but their place says so."""

import re
from collections.abc import Sequence

from anyascii import anyascii

from des.contact import Contact
from des.providers.names import company_key, name_key
from des.providers.person import bare_domain, domain_of, linkedin_handle_of, name_of

Marks = frozenset[str]


def is_out_of_order(answered: Sequence[Contact | None], asked: Sequence[Contact]) -> bool:
    """Whether somebody stands in the place of one who shares nothing with them, though asked for at another place.

    Both lists are equally long; None is a miss. A vendor answers another spelling or a nickname with the name it has:
    that alone is no disorder, nor is it where that name was asked for too and got the same person.
    """
    marks = [marks_of(contact) for contact in asked]
    return any(
        person is not None and _stands_for_another(at, person, answered, asked, marks)
        for at, person in enumerate(answered)
    )


def _stands_for_another(
    at: int, person: Contact, answered: Sequence[Contact | None], asked: Sequence[Contact], marks: Sequence[Marks]
) -> bool:
    own = marks_of(person)
    if not own.isdisjoint(marks[at]):
        return False
    another_spelling = not latin_words(person).isdisjoint(latin_words(asked[at]))
    return any(
        not own.isdisjoint(other)
        and not _work_apart(person, asked[place])
        and not (another_spelling and answered[place] == person)
        for place, other in enumerate(marks)
        if place != at
    )


def marks_of(contact: Contact) -> Marks:
    """What tells one person from another, in a form in which equal means the same person."""
    name = name_key(contact.first_name, contact.last_name, contact.full_name)
    handle = linkedin_handle_of(contact).casefold()
    latin = " ".join(sorted(latin_words(contact)))
    return frozenset(mark for mark in (name, latin, handle and f"in/{handle}", contact.email.casefold()) if mark)


def latin_words(contact: Contact) -> Marks:
    """The words of the name in Latin letters, in which those of another script and another order are found again."""
    return frozenset(re.findall(r"[a-z]{2,}", anyascii(name_of(contact)).lower()))


def _work_apart(person: Contact, asked: Contact) -> bool:
    """Whether their companies are known to be two: by domain where both have one, else by name."""
    domains = _domain(person), _domain(asked)
    names = company_key(person.company_name), company_key(asked.company_name)
    one, other = domains if all(domains) else names
    return bool(one and other and one != other)


def _domain(contact: Contact) -> str:
    return domain_of(contact) or bare_domain(contact.company_name)

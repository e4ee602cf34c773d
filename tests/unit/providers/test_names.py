"""Keys of people and companies, in many scripts."""

import pytest

from des.contact import Contact
from des.providers.names import (
    block_of,
    company_key,
    company_of,
    company_plain,
    company_skeleton,
    domain_in,
    name_key,
    person_key,
)
from des.providers.similar import blocks, name_similarity


@pytest.mark.parametrize(
    ("first", "last", "full"),
    [
        ("John", "Doe", "John Doe"),
        ("  JOHN ", "doe", "Doe, John"),
        ("Dr. José", "O'Neill-Ruiz, PhD", "Dr José O\N{RIGHT SINGLE QUOTATION MARK}Neill Ruiz"),
        ("John", "Doe Jr.", "Doe, John Jr."),
        ("John", "Doe Jr", "Doe Jr., John"),
        ("John", "Doe", "John Doe, Ph.D."),
        ("John", "Doe, MD", "Mr. John Doe M.D."),
        ("María", "de la Cruz", "de la Cruz, Maria"),
        ("Łukasz", "Żak", "Lukasz Zak"),
        ("Иван", "Щукин", "Щукин, Иван"),
        ("Γιάννης", "Παππάς", "Γιάννης Παππάς"),
        ("\uff2aohn", "Doe", "John Doe"),
        ("太郎", "山田", "山田 太郎"),
        ("太郎", "山田", "山田太郎様"),
        ("민준", "김", "김민준"),
        ("ジョン", "ドウ", "ジョン・ドウ"),
        ("Dr", "Doe", "Dr Doe"),
        ("अमित", "शर्मा", "अमित शर्मा"),
        ("Jack", "Ma", "Ma, Jack"),
    ],
)
def test_a_name_is_one_key_however_it_is_written(first: str, last: str, full: str) -> None:
    assert name_key(first, last) == name_key("", "", full) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("John Doe Sr", "John Doe Jr"),
        ("John A. Doe", "John B. Doe"),
        ("张伟", "章伟"),  # one sound, two families
        ("Jack Ma", "Jack"),
    ],
)
def test_two_people_keep_two_keys(one: str, other: str) -> None:
    assert name_key("", "", one) != name_key("", "", other)


@pytest.mark.parametrize("nothing", ["", " ", ",,", "_ -", "\x00", "👩‍👩‍👧‍👦"[1]])
def test_no_name_has_no_key(nothing: str) -> None:
    assert name_key(nothing, "", nothing) == ""


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Acme", "acme"),
        ("ACME, Inc.", "acme"),
        ("The Müller & Söhne GmbH & Co. KG", "mullersohne"),
        ("Acme Sp. z o.o.", "acme"),
        ("Foo S. A. de C. V.", "foo"),
        ("L'Oréal S.A.", "loreal"),
        ("AT&T", "att"),
        ("Johnson and Johnson", "johnsonjohnson"),
        ("ООО Ромашка", "romashka"),
        ("トヨタ自動車株式会社", "トヨタ自動車"),
        ("腾讯科技有限公司", "腾讯科技"),
        ("sayprimer.com", "sayprimer.com"),
        ("WWW.SayPrimer.com", "sayprimer.com"),
        ("Amazon.com, Inc.", "amazon.com"),
        ("Dr.Oetker", "droetker"),
        ("AG", "ag"),
        ("", ""),
    ],
)
def test_company_keys(name: str, key: str) -> None:
    assert company_key(name) == key


def test_fuzzy_companies_meet_at_their_skeleton() -> None:
    assert company_plain("Acme Technologies Group") == company_plain("ACME") == "acme"
    assert company_skeleton(company_plain("Say Primer")) == company_skeleton(company_plain("Sayprimmer Inc"))


@pytest.mark.parametrize(
    ("contact", "company"),
    [
        (Contact(company_domain="https://www.Acme.com/about", company_name="Other"), "acme.com"),
        (Contact(company_name="sayprimer.com"), "sayprimer.com"),
        (Contact(company_domain="n/a", company_name="Acme Ltd"), "acme"),
        (Contact(), ""),
    ],
)
def test_the_domain_counts_before_the_name(contact: Contact, company: str) -> None:
    assert company_of(contact) == company


def test_domains_are_ascii() -> None:
    assert domain_in("http://münchen.de/x") == "xn--mnchen-3ya.de"
    assert domain_in("xn--") == domain_in("http://[::1") == ""


def test_person_key_takes_the_strongest_identity() -> None:
    john = Contact(first_name="John", last_name="Doe", company_name="sayprimer.com")
    same = Contact(full_name="Doe, John", company_domain="www.sayprimer.com")
    assert person_key(john) == person_key(same) == "n:john doe|sayprimer.com"
    assert person_key(Contact(full_name="J", linkedin_url="https://www.linkedin.com/in/JDoe/")) == "l:jdoe"
    assert person_key(Contact(full_name="J", email=" J@Acme.com")) == "e:j@acme.com"
    assert person_key(Contact(phone="+1 (555) 01")) == "p:155501"
    assert person_key(Contact(external_id="7")) == "x:7"
    assert person_key(Contact()) == ""


@pytest.mark.parametrize(
    ("asked", "known", "similar"),
    [
        ("bob doe", "robert doe", True),
        ("jon doe", "john doe", True),
        ("micheal doe", "michael doe", True),
        ("doe john", "john doe", True),
        ("john a doe", "john doe", True),
        ("john doe jr", "john doe", True),
        ("j doe", "john doe", True),
        ("john doe", "joan doe", False),
        ("mario rossi", "maria rossi", False),
        ("daniel doe", "daniela doe", False),
        ("christian ek", "christina ek", False),
        ("john a doe", "john b doe", False),
        ("john doe jr", "john doe sr", False),
        ("jon smyth", "john smith", False),
        ("山田太郎", "山田次郎", False),
        ("john", "jon", False),
    ],
)
def test_similar_names(asked: str, known: str, similar: bool) -> None:
    assert (name_similarity(asked, known) >= 92) is similar
    if similar:
        assert block_of(known) in blocks(asked, block_of(asked))

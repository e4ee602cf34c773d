"""Spellings of names in addresses, and what patterns say."""

import pytest

from des.people import PatternCount
from des.providers.address_patterns import CONFIDENCE_MAX, PATTERNS, fitting, patterns_of, render
from des.providers.local_parts import spellings


@pytest.mark.parametrize(
    ("first", "last", "full", "region", "local"),
    [
        ("John", "Doe", "", "", "john.doe"),
        ("", "", "Doe, John", "", "john.doe"),
        ("", "", "Dr. John Quincy Doe, PhD", "", "john.doe"),
        ("Jürgen", "Müller", "", "de", "juergen.mueller"),
        ("Jürgen", "Müller", "", "", "jurgen.muller"),
        ("Søren", "Ågård", "", "dk", "soeren.aagaard"),
        ("Jean-Luc", "Picard", "", "fr", "jean-luc.picard"),
        ("", "", "Maria de la Cruz", "es", "maria.delacruz"),
        ("Ludwig", "van Beethoven", "", "", "ludwig.vanbeethoven"),
        ("Sinéad", "O'Connor", "", "ie", "sinead.oconnor"),
        ("Иван", "Щукин", "", "ru", "ivan.shchukin"),
        ("伟", "张", "", "cn", "wei.zhang"),
        ("민준", "김", "", "kr", "minjun.kim"),
    ],
)
def test_the_best_known_spelling(first: str, last: str, full: str, region: str, local: str) -> None:
    names = spellings(first, last, full, region)
    assert names is not None
    assert render("{first}.{last}", names[0][0], names[1][0]) == local


@pytest.mark.parametrize(
    ("first", "last", "full", "region"),
    [
        ("太郎", "山田", "", "jp"),
        ("たろう", "山田", "", ""),
        ("", "", "山田太郎", ""),
        ("محمد", "علي", "", ""),
        ("", "", "👩", ""),
        ("", "", "", ""),
    ],
)
def test_where_no_spelling_can_be_told_there_is_none(first: str, last: str, full: str, region: str) -> None:
    assert spellings(first, last, full, region) is None


def test_an_address_fits_under_any_usual_spelling() -> None:
    names = spellings("Jürgen", "de la Cruz", "", "")
    assert names is not None
    assert fitting("Juergen.Cruz@Acme.com", names) == ("{first}.{last}@acme.com",)
    assert fitting("jdelacruz@acme.com", names) == ("{f}{last}@acme.com",)
    assert fitting("info@acme.com", names) == ()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_recognises_what_it_makes(pattern: str) -> None:
    local = render(pattern, "john", "doe")
    assert f"{pattern}@acme.com" in fitting(f"{local}@acme.com", (("john",), ("doe",)))


def test_a_mononym_has_no_last_name_to_write() -> None:
    assert render("{first}", "pele", "") == "pele"
    assert {render(pattern, "pele", "") for pattern in PATTERNS if "{l" in pattern} == {""}


def test_confidence_is_the_smoothed_share() -> None:
    counts = [
        PatternCount("acme.com", "", 19),
        PatternCount("acme.com", "{f}{last}@acme.com", 2),
        PatternCount("acme.com", "{first}.{last}@acme.com", 17),
    ]
    best, second = patterns_of(counts)
    assert (best.local, best.confidence) == ("{first}.{last}", round(18 / 21, 3))
    assert best.evidence == "17 of 19 addresses at acme.com are first.last"
    assert second.confidence == round(3 / 21, 3)
    (sure,) = patterns_of([PatternCount("a.com", "", 10_000), PatternCount("a.com", "{first}@a.com", 10_000)])
    assert sure.confidence == CONFIDENCE_MAX

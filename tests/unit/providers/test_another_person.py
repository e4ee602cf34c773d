"""A vendor may correct a name; it may not answer with somebody else."""

import pytest

from des.contact import Contact
from des.providers.dialects.another_person import is_another


def named(name: str, **more: str) -> Contact:
    return Contact(full_name=name, **more)


@pytest.mark.parametrize(
    ("answered", "asked"),
    [
        ("John Doe", "john doe"),
        ("John Doe", "Doe John"),
        ("John Michael Doe", "John Doe"),
        ("Robert Smith", "Bob Smith"),
        ("José Muñoz", "Jose Munoz"),
        ("Ana Souza Lima", "Ana Souza"),
        ("Aleksandr Petrov", "Alexander Petrov"),
        ("Олександр Петренко", "Oleksandr Petrenko"),
        ("J Doe", "John Doe"),
        ("", "John Doe"),
        ("John Doe", ""),
    ],
)
@pytest.mark.parametrize("marked", [True, False])
def test_one_person_under_two_spellings(answered: str, asked: str, marked: bool) -> None:
    assert not is_another(named(answered), named(asked), marked=marked)


@pytest.mark.parametrize(
    ("answered", "asked"), [("Jane Doe", "John Doe"), ("Rui de Souza", "Ana de Souza"), ("Ana Lima", "Ana Souza")]
)
def test_a_shared_word_is_enough_only_where_our_mark_came_back(answered: str, asked: str) -> None:
    assert is_another(named(answered), named(asked), marked=False)
    assert not is_another(named(answered), named(asked), marked=True)


@pytest.mark.parametrize("marked", [True, False])
def test_a_stranger_is_a_stranger(marked: bool) -> None:
    assert is_another(named("Kate Bush"), named("John Doe"), marked=marked)


def test_a_profile_says_more_than_a_name() -> None:
    profile = "https://www.linkedin.com/in/jdoe"
    assert not is_another(
        named("Kate Bush", linkedin_url=profile), named("John Doe", linkedin_url=profile), marked=False
    )

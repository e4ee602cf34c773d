"""What holds for names of any text."""

from hypothesis import given
from hypothesis import strategies as st

from des.contact import Contact
from des.people import SEPARATOR
from des.providers.local_parts import spellings
from des.providers.names import block_of, company_key, company_of, name_key, person_key
from des.providers.similar import blocks, name_similarity

_ANY = st.text(max_size=40)
_LATIN = st.text(alphabet=st.characters(codec="latin-1", categories=["Lu", "Ll"]), min_size=1, max_size=12)


@given(_ANY, _ANY, _ANY)
def test_a_name_key_is_its_own_key(first: str, last: str, full: str) -> None:
    key = name_key(first, last, full)
    again = name_key("", "", key)
    assert name_key("", "", again) == again  # a title may only show once a mark around it is gone
    assert not set(key) & {SEPARATOR, "\x00", ","}
    assert key == key.strip()


@given(_LATIN, _LATIN)
def test_two_names_are_as_one_whole(first: str, last: str) -> None:
    assert (
        name_key(first, last) == name_key("", "", f"{first} {last}") == name_key("", "", f" {first}  {last.upper()} ")
    )


@given(_ANY)
def test_a_company_key_is_its_own_key(name: str) -> None:
    key = company_key(name)
    assert SEPARATOR not in key
    assert "\x00" not in key
    assert company_key(key) == key or key == ""


@given(_ANY, _ANY, _ANY, _ANY, _ANY)
def test_person_keys_are_stable(first: str, last: str, full: str, company: str, email: str) -> None:
    contact = Contact(
        first_name=first, last_name=last, full_name=full, company_name=company, company_domain=full, email=email
    )
    assert person_key(contact) == person_key(contact)
    assert SEPARATOR not in company_of(contact)


@given(_ANY)
def test_a_name_is_in_its_own_block_and_like_itself(full: str) -> None:
    key = name_key("", "", full)
    if key:
        assert blocks(key, block_of(key))[0] == block_of(key)
        assert name_similarity(key, key) == 100


@given(_ANY, _ANY, _ANY, st.sampled_from(["", "de", "jp"]))
def test_spellings_are_local_parts(first: str, last: str, full: str, region: str) -> None:
    for spelling in [name for names in spellings(first, last, full, region) or () for name in names]:
        assert spelling.isascii()
        assert spelling.replace("-", "").isalnum()

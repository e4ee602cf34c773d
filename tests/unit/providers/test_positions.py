"""People who stand where another was asked for are noticed; other spellings of the one who was asked for are not."""

import pytest

from des.contact import Contact
from des.providers.dialects.positions import is_out_of_order

JOHN = Contact(first_name="John", last_name="Doe", company_domain="one.com")
JANE = Contact(first_name="Jane", last_name="Doe", company_domain="one.com")
ZOE = Contact(full_name="Zoë Müller", company_domain="two.com")
BILL = Contact(first_name="Bill", last_name="Smith", company_domain="three.com")
WILLIAM = Contact(first_name="William", last_name="Smith", company_domain="three.com")
WILLIAM_ELSEWHERE = Contact(first_name="William", last_name="Smith", company_domain="four.com")
BY_HANDLE = Contact(linkedin_url="https://www.linkedin.com/in/john-doe")
FOUND_BY_HANDLE = Contact(full_name="John Doe", linkedin_url="http://linkedin.com/in/John-Doe")
TAKAHASHI = Contact(full_name="さくら 高橋", company_domain="five.com")
SAM = Contact(first_name="Sam", last_name="Hill", company_domain="six.com")
SAMUEL = Contact(full_name="Samuel Hill", company_name="Six Ltd", company_domain="six.com")
SAMUEL_ELSEWHERE = Contact(full_name="Samuel Hill", company_name="Seven Ltd")
SAMUEL_BY_DOMAIN = Contact(full_name="Samuel Hill", company_name="six.com")


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ([JOHN, JANE, ZOE], [JOHN, JANE, ZOE]),
        ([JOHN, JANE, ZOE], [None, JANE, None]),
        ([Contact(full_name="ZOE MULLER"), JOHN], [ZOE, JOHN]),
        ([BILL, JOHN], [WILLIAM, JOHN]),
        ([BILL, WILLIAM], [WILLIAM, WILLIAM]),
        ([BILL, WILLIAM_ELSEWHERE], [WILLIAM, None]),
        ([Contact(first_name="sakura", last_name="GaoQiao"), TAKAHASHI], [TAKAHASHI, TAKAHASHI]),
        ([SAM, SAMUEL_ELSEWHERE], [SAMUEL, None]),
        ([BY_HANDLE, JANE], [FOUND_BY_HANDLE, JANE]),
        ([JOHN, JOHN], [JOHN, JOHN]),
        ([Contact(email="j@one.com"), JANE], [Contact(full_name="Jo", email="J@one.com"), JANE]),
    ],
)
def test_in_order(asked: list[Contact], answered: list[Contact | None]) -> None:
    assert not is_out_of_order(answered, asked)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ([JOHN, JANE], [JANE, JOHN]),
        ([JOHN, JANE, ZOE], [ZOE, JANE, JOHN]),
        ([JOHN, ZOE], [None, JOHN]),
        ([JOHN, ZOE], [JOHN, JOHN]),
        ([SAMUEL_BY_DOMAIN, JOHN], [None, SAMUEL]),
        ([BY_HANDLE, JANE], [JANE, FOUND_BY_HANDLE]),
    ],
)
def test_out_of_order(asked: list[Contact], answered: list[Contact | None]) -> None:
    assert is_out_of_order(answered, asked)

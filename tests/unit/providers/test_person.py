"""What is told of a person from what the caller sent."""

import pytest

from des.contact import Contact
from des.providers.person import bare_domain, domain_of, linkedin_handle_of, name_of


@pytest.mark.parametrize(
    ("contact", "domain"),
    [
        (Contact(company_name="sayprimer.com"), "sayprimer.com"),
        (Contact(company_name="WWW.SayPrimer.COM"), "sayprimer.com"),
        (Contact(company_name="Booking.com", company_domain="booking.nl"), "booking.nl"),
        (Contact(company_name="Say Primer Inc."), ""),
        (Contact(company_name="Dr.Oetker"), ""),
        (Contact(company_name="St. Gobain"), ""),
        (Contact(company_name="acme.co.uk"), "acme.co.uk"),
        (Contact(company_domain="HTTPS://www.Müller.de:443/a?b#c"), "müller.de"),
        (Contact(company_domain="info@sayprimer.com"), "sayprimer.com"),
        (Contact(company_domain="sayprimer.com."), "sayprimer.com"),
        (Contact(company_domain="nordwind.example"), "nordwind.example"),
        (Contact(company_domain="no domain", company_name="sayprimer.com"), ""),
        (Contact(), ""),
    ],
)
def test_the_domain_of_a_company(contact: Contact, domain: str) -> None:
    assert domain_of(contact) == domain


@pytest.mark.parametrize("text", ["", ".", "..", "localhost", "a..b", "-a.com", "a_b", "http://", "1.2.3.4"])
def test_what_is_no_domain(text: str) -> None:
    assert bare_domain(text) == ""


def test_the_whole_name() -> None:
    assert name_of(Contact(first_name="John", last_name="Doe")) == "John Doe"
    assert name_of(Contact(full_name="J. Doe", first_name="John", last_name="Doe")) == "J. Doe"
    assert name_of(Contact(last_name="Doe")) == "Doe"


@pytest.mark.parametrize(
    ("url", "handle"),
    [
        ("https://www.linkedin.com/in/john-doe/", "john-doe"),
        ("linkedin.com/in/john-doe?trk=x", "john-doe"),
        ("https://de.linkedin.com/in/j%C3%B6rg", "j%C3%B6rg"),
        ("https://www.linkedin.com/company/x", ""),
        ("https://evil.example/linkedin.com/in/x", ""),
    ],
)
def test_the_linkedin_handle(url: str, handle: str) -> None:
    assert linkedin_handle_of(Contact(linkedin_url=url)) == handle

"""Kinds of people that vendors are differently good at: few, so that each is soon known well.

A vendor finds people by what is known of them, and knows some parts of the world better than others. So a segment is
what the best of the inputs is (a profile, a domain, a company's name), and a part of the world by the contact's country
or, where none is given, by the country of the company's domain: nine segments, and one for people nobody can name.
"""

from des.contact import Contact
from des.providers.person import domain_of, linkedin_handle_of, name_of

_EUROPEAN = (
    "AD AL AT BA BE BG BY CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT LI LT LU LV MC MD ME MK MT NL NO PL PT RO RS"
    " SE SI SK SM UA UK VA XK EU"
)
"""ISO 3166 codes; UK and EU are domains' own."""
EUROPE = frozenset(_EUROPEAN.split())
NORTH_AMERICA = frozenset({"US", "CA"})
KNOWN = ("linkedin", "domain", "company")
REGIONS = ("europe", "north_america", "else")
NOBODY = "nobody"
SEGMENTS = frozenset({NOBODY, *[f"{known}/{region}" for known in KNOWN for region in REGIONS]})


def segment_of(contact: Contact) -> str:
    """The segment of a contact, one of SEGMENTS."""
    domain = domain_of(contact)
    if linkedin_handle_of(contact):
        known = "linkedin"
    elif name_of(contact) and domain:
        known = "domain"
    elif name_of(contact) and contact.company_name:
        known = "company"
    else:
        return NOBODY
    return f"{known}/{_region(contact.country, domain)}"


def _region(country: str, domain: str) -> str:
    code = country.strip().upper()
    if len(code) != 2:
        last = domain.rpartition(".")[2].upper()
        code = last if len(last) == 2 else ""
    if code in EUROPE:
        return "europe"
    return "north_america" if code in NORTH_AMERICA else "else"

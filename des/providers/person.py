"""What can be told of a person from what the caller sent, without asking anybody."""

import functools
import re

from des.contact import Contact

# Two letters are a country's; of the longer ones those that company addresses end in. The whole public suffix list
# would cost 20 MB of memory to tell a company name such as "Dr.Oetker" from a domain.
_COMPANY_TLDS = (
    "com net org edu gov io ai co app dev biz info tech cloud online store shop agency studio digital group global"
    " solutions consulting software systems media design energy health finance capital ventures partners email bank law"
)
_DOMAIN = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2}|xn--[a-z0-9-]{2,59}|"
    + "|".join(_COMPANY_TLDS.split())
    + ")"
)
_ANY_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]{1,62}")
_LINKEDIN = re.compile(r"(?:https?://)?(?:[a-z]{2,3}\.)?linkedin\.com/in/([^/?#\s]+)", re.IGNORECASE)


def domain_of(contact: Contact) -> str:
    """Lower-case domain of the person's company, or "".

    `company_domain` as it was sent, freed of scheme, `www.` and path; else the company's name where that is a domain,
    as in the `sayprimer.com` of callers that have one column for both.
    """
    if contact.company_domain:
        return bare_domain(contact.company_domain)
    name = contact.company_name.lower()
    return name.removeprefix("www.") if "." in name and _DOMAIN.fullmatch(name) else ""


@functools.lru_cache(maxsize=4096)  # people come by the company
def bare_domain(text: str) -> str:
    """Domain in a URL, an address or a domain as people write it; "" where there is none."""
    domain = text.strip().lower().partition("://")[2] or text.strip().lower()
    domain = re.split(r"[/?#:]", domain, maxsplit=1)[0].rpartition("@")[2].rstrip(".").removeprefix("www.")
    return domain if _ANY_DOMAIN.fullmatch(domain) else ""


def name_of(contact: Contact) -> str:
    """The whole name: as it was sent, else first and last name; "" where neither was."""
    return contact.full_name or f"{contact.first_name} {contact.last_name}".strip()


def linkedin_handle_of(contact: Contact) -> str:
    """The handle of a personal LinkedIn address (`https://www.linkedin.com/in/HANDLE`), or ""."""
    found = _LINKEDIN.match(contact.linkedin_url) if contact.linkedin_url else None
    return found[1] if found else ""

"""A directory in memory finds what the statements on Postgres find, whatever is in it and whatever is asked."""

from collections.abc import Iterable, Sequence
from itertools import count

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from des.people import SEPARATOR, Asked, Known, Near, PatternCount, Person
from des.store.directory import Directory
from des.store.people_reader import PeopleReader
from des.store.postgres import Database
from tests.integration.read_anew import ReadAnew

# Few of each, so that people share names, companies, domains and addresses; signs whose order differs between bytes,
# code points and locales.
NAMES = ("al doe", "alf doe", "zo\u00eb doe", "\u5c71\u7530", "\U00020000", "al", "Al doe")
BLOCKS = ("ad", "Ad", "dz", "\u5c71\u5c71", "a")
COMPANIES = ("acme", "acmegroup", "acme-x", "\u00e4cme", "zett")
DOMAINS = ("acme.com", "acme.com.br", "acme.de", "zett.io")
SKELETONS = ("acm", "zt", "\u00e4cm")
EMAILS = ("a@acme.com", "b@acme.com", "doe@gmail.com", "Z@acme.de")
PATTERNS = ("{first}@acme.com", "{f}{last}@acme.com", "{first}@acme.de")

tenants = count()


def joined(parts: Iterable[str]) -> str:
    return SEPARATOR.join(parts)


@st.composite
def people(draw: st.DrawFn) -> Person:
    """Somebody with a domain, a company or both, and keys as an import makes them."""
    name, block = draw(st.sampled_from(NAMES)), draw(st.sampled_from(BLOCKS))
    domain = draw(st.none() | st.sampled_from(DOMAINS))
    company = draw(st.sampled_from(COMPANIES) if domain is None else st.none() | st.sampled_from(COMPANIES))
    by_company = joined((company, block, name)) if company else None
    return Person(
        identity=joined((domain, block, name)) if domain else str(by_company),
        name=name,
        domain=domain,
        by_company=by_company,
        company=company,
        company_plain=draw(st.sampled_from((company, "acme"))) if company else None,
        company_skeleton=draw(st.sampled_from(SKELETONS)) if company else None,
        email=draw(st.none() | st.sampled_from(EMAILS)),
        phone=draw(st.sampled_from((None, "", "+16502530000"))),
        extra=draw(st.sampled_from((None, '{"colour": "blue", "a": "\u00e4"}'))),
        patterns=draw(st.none() | st.lists(st.sampled_from(PATTERNS), unique=True).map(tuple)),
    )


def asked(*texts: str) -> Asked:
    return Asked(list(texts), [7 * at for at, _ in enumerate(texts)])


KEYS = asked(*(joined((at, block, name)) for at in (*COMPANIES, *DOMAINS) for block in BLOCKS for name in NAMES))
PREFIXES = asked(*(joined((at, block, "")) for at in (*COMPANIES, *DOMAINS) for block in BLOCKS))
PAIRS = [(skeleton, block) for skeleton in (*SKELETONS, "none") for block in BLOCKS]
NOBODY = Asked()


def in_order(rows: Iterable[object]) -> list[str]:
    """Rows as texts that can be sorted."""
    return sorted(msgspec.json.encode(row).decode() for row in rows)


def unnamed(found: Sequence[tuple[int, Known]]) -> list[tuple[int, Known]]:
    """Without names, which an exact search need not tell."""
    return [(index, msgspec.structs.replace(person, name="")) for index, person in found]


def names(near: Sequence[Near]) -> list[tuple[int, str, str]]:
    """Of a cut range: of people with one key, it may be any."""
    return [(one.index, one.person.name, one.company) for one in near]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    imports=st.lists(st.lists(people(), max_size=25), min_size=1, max_size=3),
    candidates_max=st.sampled_from((1, 2, 64)),
)
async def test_memory_finds_what_postgres_finds(
    database: Database, imports: list[list[Person]], candidates_max: int
) -> None:
    tenant, postgres, memory = f"t{next(tenants)}", Directory(database), ReadAnew(PeopleReader(database))
    for chunk in imports:
        await postgres.save(tenant, list({person.identity: person for person in chunk}.values()), "test")

    for one in ((KEYS, NOBODY, NOBODY), (NOBODY, KEYS, NOBODY), (NOBODY, NOBODY, asked(*EMAILS)), (KEYS, KEYS, KEYS)):
        exact = await memory.exact(tenant, *one)
        assert in_order(unnamed(exact)) == in_order(unnamed(await postgres.exact(tenant, *one)))

    at_domain = await memory.near_domain(tenant, PREFIXES, candidates_max)
    assert in_order(at_domain) == in_order(await postgres.near_domain(tenant, PREFIXES, candidates_max))

    skeletons, blocks = asked(*(pair[0] for pair in PAIRS)), [pair[1] for pair in PAIRS]
    at_company = await memory.near_company(tenant, skeletons, blocks, candidates_max)
    found = await postgres.near_company(tenant, skeletons, blocks, candidates_max)
    assert in_order(names(at_company)) == in_order(names(found))
    if candidates_max == 64:
        assert in_order(at_company) == in_order(found)

    patterns: Sequence[tuple[int, PatternCount]]
    patterns = await memory.patterns(tenant, asked(*DOMAINS, "x.y"), asked(*COMPANIES, "x"))
    assert in_order(patterns) == in_order(
        await postgres.patterns(tenant, asked(*DOMAINS, "x.y"), asked(*COMPANIES, "x"))
    )

    owners = await memory.owners(tenant, asked(*EMAILS))
    assert in_order(owners) == in_order(await postgres.owners(tenant, asked(*EMAILS)))


@pytest.mark.parametrize("candidates_max", [1, 64])
async def test_what_is_found_is_something(database: Database, candidates_max: int) -> None:
    """The comparison above is of results that are not empty."""
    directory = Directory(database)
    john = Person(joined(("acme.com", "ad", "al doe")), "al doe", "acme.com", joined(("acme", "ad", "al doe")), "acme")
    await directory.save("default", [msgspec.structs.replace(john, company_plain="acme", company_skeleton="acm")], "t")
    memory = ReadAnew(PeopleReader(database))
    assert len(await memory.exact("default", KEYS, KEYS, NOBODY)) == 2
    assert len(await memory.near_domain("default", PREFIXES, candidates_max)) == 1
    assert len(await memory.near_company("default", asked("acm"), ["ad"], candidates_max)) == 1


async def test_everybody_of_a_large_company_is_found(database: Database) -> None:
    """Where its people are more than are looked through at first, and others stand before and behind them."""
    blocks = [one + two for one in "abcdefgh" for two in "abcdefgh"]
    people = [
        Person(
            joined((domain, block, f"{block} {at}")), f"{block} {at}", domain, joined((company, block, f"{block} {at}"))
        )
        for domain, company, each in (("b.com", "b", 4), ("a.com", "a", 1), ("c.com", "c", 1))
        for block in blocks
        for at in range(each)
    ]
    postgres, memory = Directory(database), ReadAnew(PeopleReader(database))
    await postgres.save("default", people, "test")
    prefixes = asked(
        *(joined((domain, block, "")) for domain in ("a.com", "b.com", "c.com") for block in (*blocks, "z"))
    )
    for candidates_max, found in ((64, 64 * 6), (3, 64 * 5)):
        near = await memory.near_domain("default", prefixes, candidates_max)
        assert len(near) == found
        assert in_order(near) == in_order(await postgres.near_domain("default", prefixes, candidates_max))

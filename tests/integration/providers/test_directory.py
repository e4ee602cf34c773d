"""The user's own people: imported, found exactly and nearly, and their addresses learnt from, on a real Postgres.

Everything twice: asked of Postgres, and of the directory read whole into memory.
"""

import io
from collections.abc import Callable

import pytest

from des.clock import SystemClock
from des.config_providers import DirectoryConfig, EmailPatternConfig
from des.contact import Contact, FieldType
from des.errors import StoreUnavailable
from des.people import Asked, PeopleSearch
from des.providers.contract import Outcome, OutcomeKind, Provider, Question
from des.providers.directory import DirectoryProvider
from des.providers.directory_import import ImportReport, import_people
from des.providers.email_pattern import EmailPatternProvider
from des.store.directory import Directory
from des.store.people_reader import PeopleReader
from des.store.postgres import Database
from des.testing.provider import PROVIDER_CHECKS, Check, ProviderCase
from tests.integration.read_anew import ReadAnew

FIELDS = {
    "professional_email": FieldType.EMAIL,
    "phone_number": FieldType.PHONE,
    "linkedin_url": FieldType.URL,
    "job_title": FieldType.TEXT,
    "favourite_colour": FieldType.TEXT,
}
ASKED = ("phone_number", "professional_email")

PEOPLE = """\
first_name,last_name,company,domain,email,phone,favourite_colour
John,Doe,Primer,sayprimer.com,john.doe@sayprimer.com,+1 650 253 0000,blue
Robert,Miles,Primer,sayprimer.com,robert.miles@sayprimer.com,,
Jürgen,Müller,Primer,sayprimer.com,jurgen.muller@sayprimer.com,,
Anna,Smith,Primer,sayprimer.com,asmith@sayprimer.com,,
Jane,Roe,Acme Technologies,,jane.roe@gmail.com,+1 650 253 0001,
"""


@pytest.fixture
async def directory(database: Database) -> Directory:
    return Directory(database)


@pytest.fixture(params=["postgres", "memory"])
def people(request: pytest.FixtureRequest, directory: Directory, database: Database) -> PeopleSearch:
    return directory if request.param == "postgres" else ReadAnew(PeopleReader(database))


@pytest.fixture
def exact(people: PeopleSearch) -> DirectoryProvider:
    return DirectoryProvider("directory", DirectoryConfig(kind="directory"), FIELDS, people)


@pytest.fixture
def by_pattern(people: PeopleSearch) -> EmailPatternProvider:
    return EmailPatternProvider("email_pattern", EmailPatternConfig(kind="email_pattern"), people, SystemClock())


async def load(directory: Directory, text: str = PEOPLE, tenant: str = "default") -> ImportReport:
    return await import_people(io.BytesIO(text.encode()), tenant, FIELDS, directory)


async def ask(provider: Provider, *contacts: Contact, fields: tuple[str, ...] = ASKED) -> list[Outcome]:
    return list(await provider.ask([Question("default", contact, fields) for contact in contacts]))


def emails(outcomes: list[Outcome]) -> list[str]:
    return [
        outcome.values["professional_email"].value if outcome.values else outcome.kind.value for outcome in outcomes
    ]


async def test_people_are_found_by_domain_by_company_and_by_address(
    directory: Directory, exact: DirectoryProvider
) -> None:
    report = await load(directory)
    assert (report.imported, report.rejected) == (5, 0)
    outcomes = await ask(
        exact,
        Contact(first_name="John", last_name="Doe", company_name="sayprimer.com"),
        Contact(full_name="DOE, John", company_name="Primer, Inc."),
        Contact(full_name="John Doe", company_domain="https://www.sayprimer.com/"),
        Contact(email=" John.Doe@sayprimer.com"),
        Contact(full_name="Jane Roe", company_name="Acme Technologies"),
        Contact(full_name="Somebody Else", company_name="Primer"),
        Contact(full_name="John Doe"),
        Contact(),
    )
    john = "john.doe@sayprimer.com"
    assert emails(outcomes) == [john, john, john, john, "jane.roe@gmail.com", "miss", "invalid_input", "invalid_input"]
    assert outcomes[0].values["phone_number"].value == "+16502530000"
    assert outcomes[0].values["professional_email"].confidence == 1.0
    (coloured,) = await ask(exact, Contact(email=john), fields=("favourite_colour", "job_title"))
    assert {name: value.value for name, value in coloured.values.items()} == {"favourite_colour": "blue"}


async def test_near_people_are_found_with_less_confidence_and_a_reason(
    directory: Directory, exact: DirectoryProvider
) -> None:
    await load(directory)
    outcomes = await ask(
        exact,
        Contact(full_name="Bob Miles", company_name="sayprimer.com"),
        Contact(full_name="Bob Miles", company_name="Primer"),
        Contact(full_name="Miles Robert", company_name="Primer"),
        Contact(full_name="Jane Roe", company_name="Acme Group"),
        Contact(full_name="Jane Roe", company_name="Acme"),
        Contact(full_name="Janet Roe", company_name="Acme Group"),
        Contact(full_name="Roberta Miles", company_name="Primer"),
    )
    bob, jane = "robert.miles@sayprimer.com", "jane.roe@gmail.com"
    assert emails(outcomes) == [bob, bob, bob, jane, jane, "miss", "miss"]
    value = outcomes[0].values["professional_email"]
    assert value.confidence < 0.95
    assert value.evidence == "96 % like robert miles in the directory"


async def test_of_two_equally_near_people_neither_is_taken(directory: Directory, exact: DirectoryProvider) -> None:
    await load(directory, "name,company,email\nAlbert Doe,Acme,a@acme.com\nAlfred Doe,Acme,b@acme.com\n")
    (outcome,) = await ask(exact, Contact(full_name="Al Doe", company_name="Acme"))
    assert outcome.kind is OutcomeKind.MISS
    assert outcome.reason.startswith("AMBIGUOUS")


async def test_one_name_at_two_domains_of_a_company_needs_the_domain(
    directory: Directory, exact: DirectoryProvider
) -> None:
    await load(directory, "name,company,email\nA Doe,Acme,a@acme.com\nA Doe,Acme,a@acme.de\n")
    outcomes = await ask(
        exact, Contact(full_name="A Doe", company_name="Acme"), Contact(full_name="A Doe", company_domain="acme.de")
    )
    assert emails(outcomes) == ["miss", "a@acme.de"]
    assert outcomes[0].reason.startswith("AMBIGUOUS")


async def test_a_tenant_finds_its_own_people_only(
    directory: Directory, exact: DirectoryProvider, by_pattern: EmailPatternProvider
) -> None:
    await load(directory, tenant="other")
    john = Contact(full_name="John Doe", company_name="sayprimer.com")
    bob = Contact(full_name="Bob Miles", company_name="Primer")
    assert emails(await ask(exact, john, bob, Contact(email="john.doe@sayprimer.com"))) == ["miss"] * 3
    assert emails(await ask(by_pattern, john)) == ["miss"]
    both = await exact.ask([Question("other", john, ASKED), Question("default", john, ASKED)])
    assert emails(list(both)) == ["john.doe@sayprimer.com", "miss"]


async def test_importing_again_changes_nothing_and_fills_in_what_was_missing(
    directory: Directory, exact: DirectoryProvider, database: Database
) -> None:
    await load(directory)
    await load(directory)
    await load(directory, "name,domain,title\nJohn Doe,sayprimer.com,Engineer\n")
    (john,) = await ask(exact, Contact(full_name="John Doe", company_name="Primer"), fields=tuple(FIELDS))
    assert {name: value.value for name, value in john.values.items()} == {
        "professional_email": "john.doe@sayprimer.com",
        "phone_number": "+16502530000",
        "job_title": "Engineer",
        "favourite_colour": "blue",
    }
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from directory_person") == 5
        counted = dict(await connection.fetch("select pattern, people from directory_pattern"))
    assert counted == {"": 4, "{first}.{last}@sayprimer.com": 3, "{f}{last}@sayprimer.com": 1}


@pytest.mark.parametrize("first_with_domain", [True, False])
async def test_somebody_with_and_without_a_domain_stays_one_person(
    directory: Directory, exact: DirectoryProvider, database: Database, first_with_domain: bool
) -> None:
    files = ["name,company,domain,title\nA Doe,Acme,acme.com,Boss\n", "name,company,phone\nA Doe,Acme,+16502530000\n"]
    for text in files if first_with_domain else reversed(files):
        await load(directory, text)
    for contact in (
        Contact(full_name="A Doe", company_name="Acme"),
        Contact(full_name="A Doe", company_domain="acme.com"),
    ):
        (outcome,) = await ask(exact, contact, fields=("job_title", "phone_number"))
        assert set(outcome.values) == {"job_title", "phone_number"}
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from directory_person") == 1


async def test_addresses_are_proposed_as_the_domain_makes_them(
    directory: Directory, by_pattern: EmailPatternProvider
) -> None:
    await load(directory)
    outcomes = await ask(
        by_pattern,
        Contact(first_name="Zoë", last_name="O'Hara", company_name="sayprimer.com"),
        Contact(full_name="Adams, Mary", company_name="Primer Inc"),
        Contact(first_name="Ana", last_name="de la Cruz", company_domain="sayprimer.com"),
        Contact(full_name="Mary Adams", company_name="Unknown Ltd"),
        Contact(full_name="محمد علي", company_name="Primer"),
        Contact(full_name="Mary Adams"),
        Contact(company_name="Primer"),
    )
    assert emails(outcomes) == [
        "zoe.ohara@sayprimer.com",
        "mary.adams@sayprimer.com",
        "ana.delacruz@sayprimer.com",
        "miss",
        "miss",
        "invalid_input",
        "invalid_input",
    ]
    sure, unsure = outcomes[0].values["professional_email"], outcomes[2].values["professional_email"]
    assert sure.evidence == "3 of 4 addresses at sayprimer.com are first.last"
    assert sure.confidence == round(4 / 6, 3)
    assert unsure.confidence < sure.confidence
    assert outcomes[4].reason.startswith("NO_SPELLING")


async def test_an_address_of_somebody_else_is_never_proposed(
    directory: Directory, by_pattern: EmailPatternProvider
) -> None:
    await load(
        directory,
        "name,company,email\nJohn Doe,Acme,jdoe@acme.com\nAnn Lee,Acme,alee@acme.com\nBo Li,Acme,bli@acme.com\n",
    )
    (jane, john) = await ask(
        by_pattern,
        Contact(full_name="Jane Doe", company_name="Acme"),
        Contact(full_name="John Doe", company_name="Acme"),
    )
    assert jane.reason.startswith("TAKEN")
    assert john.values["professional_email"].value == "jdoe@acme.com"


async def test_too_few_samples_are_no_pattern(directory: Directory, by_pattern: EmailPatternProvider) -> None:
    await load(directory, "name,company,email\nJohn Doe,Acme,john.doe@acme.com\nAnn Lee,Acme,ann.lee@acme.com\n")
    assert emails(await ask(by_pattern, Contact(full_name="Jane Roe", company_name="Acme"))) == ["miss"]


async def test_a_company_of_two_domains_needs_the_domain(
    directory: Directory, by_pattern: EmailPatternProvider
) -> None:
    rows = [f"A{at}a Doe,Acme,a{at}a.doe@acme.{end}" for end in ("com", "de") for at in range(3)]
    await load(
        directory, "name,company,email\n" + "\n".join(rows).replace("0", "b").replace("1", "c").replace("2", "d")
    )
    outcomes = await ask(
        by_pattern,
        Contact(full_name="Jane Roe", company_name="Acme"),
        Contact(full_name="Jane Roe", company_name="Acme", company_domain="acme.de"),
    )
    assert emails(outcomes) == ["miss", "jane.roe@acme.de"]
    assert outcomes[0].reason.startswith("SEVERAL_DOMAINS")


async def test_a_large_block_of_one_company_stays_bounded(directory: Directory, people: PeopleSearch) -> None:
    rows = "".join(f"J{'abcdefghij'[at // 10]}n D{'abcdefghij'[at % 10]}e,Acme,a.com,x\n" for at in range(100))
    await load(directory, "name,company,domain,title\n" + rows)
    prefix = Asked(["a.com\x1fdj\x1f"], [0])
    assert len(await people.near_domain("default", prefix, 64)) == 64
    assert len(await people.near_company("default", Asked(["acm"], [0]), ["dj"], 64)) == 64


async def test_a_database_that_is_away_is_no_miss(
    directory: Directory, exact: DirectoryProvider, by_pattern: EmailPatternProvider, database: Database
) -> None:
    await database.stop()
    for provider in (exact, by_pattern):
        with pytest.raises(StoreUnavailable):
            await ask(provider, Contact(full_name="John Doe", company_name="sayprimer.com"))


@pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", ["directory", "email_pattern"])
async def test_the_contract_is_kept(directory: Directory, people: PeopleSearch, check: Check, kind: str) -> None:
    await load(directory)
    makes: dict[str, Callable[[], Provider]] = {
        "directory": lambda: DirectoryProvider("d", DirectoryConfig(kind="directory"), FIELDS, people),
        "email_pattern": lambda: EmailPatternProvider(
            "p", EmailPatternConfig(kind="email_pattern"), people, SystemClock()
        ),
    }
    known = [
        Contact(first_name="John", last_name="Doe", company_name="sayprimer.com"),
        Contact(full_name="Robert Miles", company_name="Primer"),
    ]
    unknown = [Contact(full_name="No Body", company_name="Nowhere"), Contact(full_name="No Body")]
    fields = ("professional_email",)
    await check(
        ProviderCase(
            makes[kind],
            [Question("default", contact, fields) for contact in known],
            [Question("default", contact, fields) for contact in unknown],
        )
    )


@pytest.mark.parametrize(
    "row",
    [
        f"{'x' * 5_000},Doe,Acme,acme.com,a@acme.com,,",
        f"John,Doe,{'x' * 5_000},,a@gmail.com,,",
        "John,Doe," + "\u540d" * 1_000 + ",,a@gmail.com,,",
    ],
    ids=["name", "company", "Han"],
)
async def test_a_name_longer_than_any_index_takes_costs_no_neighbour_its_row(directory: Directory, row: str) -> None:
    head, *rest = PEOPLE.splitlines()
    report = await import_people(io.BytesIO("\n".join([head, row, *rest]).encode()), "default", FIELDS, directory)
    assert (report.imported, report.rejected) == (len(rest), 1)
    assert [(problem.line, problem.reason) for problem in report.problems if problem.rejected] == [(2, "TOO_LONG")]

"""Learned order: a function of the standings, only an order, and one that pays."""

import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from des.contact import Contact
from des.learning import Standing
from des.providers.contract import MISS, Outcome, OutcomeKind, Value
from des.providers.learned import EXPLORED_EACH, NO_COUNTS, Counts, LearnedOrders, is_explored, worth
from des.providers.segments import SEGMENTS, segment_of
from des.providers.waterfall import Waterfall, settle

PAID = ("hunter", "pdl", "apollo")
ORDER = {"email": ("own", "hunter", "pdl", "apollo"), "phone": ("own", "apollo", "pdl")}
GIVES = dict.fromkeys(("own", "hunter", "pdl", "apollo"), frozenset({"email", "phone"}))
PRICES = {
    "hunter": {"email": 1.0, "phone": 1.0},
    "pdl": {"email": 2.0, "phone": 2.0},
    "apollo": {"email": 1.0, "phone": 8.0},
}
DOMAIN = Contact(first_name="John", last_name="Doe", company_domain="sayprimer.com")
SEGMENT = segment_of(DOMAIN)

standings_of_one = st.builds(
    lambda provider, field, segment, asked, share, sure: Standing(
        "t", provider, field, segment, asked, asked * share, asked * share * sure
    ),
    st.sampled_from(PAID),
    st.sampled_from(("email", "phone")),
    st.sampled_from(sorted(SEGMENTS)),
    st.floats(0, 10_000),
    st.floats(0, 1),
    st.floats(0, 1),
)
standings = st.lists(standings_of_one, max_size=20, unique_by=lambda one: (one.provider, one.field, one.segment))
contacts = st.builds(
    Contact,
    first_name=st.text(max_size=8),
    last_name=st.text(max_size=8),
    company_domain=st.sampled_from(["", "a.de", "b.com", "c.ca"]),
    linkedin_url=st.sampled_from(["", "https://www.linkedin.com/in/someone"]),
    country=st.sampled_from(["", "DE", "US", "Germany"]),
)


def orders(learned: list[Standing] | None = None, fields: tuple[str, ...] = ("email", "phone")) -> LearnedOrders:
    made = LearnedOrders(ORDER, GIVES, PRICES, fields)
    made.learn(learned or [])
    return made


def standing(provider: str, asked: float, found: float, sure: float = 0.9, segment: str = SEGMENT) -> Standing:
    return Standing("t", provider, "email", segment, asked, found, found * sure)


def unexplored(number: int) -> Contact:
    """The nth of contacts with which nothing is tried."""
    each = (Contact(first_name=f"P{n}", last_name="Doe", company_domain="sayprimer.com") for n in range(10_000))
    return [contact for contact in each if not is_explored(contact)][number]


@given(standings, contacts)
def test_it_is_only_an_order(learned: list[Standing], contact: Contact) -> None:
    plan = orders(learned).plan("t", contact)
    for field, configured in ORDER.items():
        assert sorted(plan.order[field]) == sorted(configured)
        assert plan.order[field][0] == "own"


@given(standings, contacts, st.randoms(use_true_random=False))
def test_the_same_standings_give_the_same_order(
    learned: list[Standing], contact: Contact, chance: random.Random
) -> None:
    shuffled = chance.sample(learned, len(learned))
    one, other = orders(learned).plan("t", contact), orders(shuffled).plan("t", contact)
    assert (one.order, one.rules) == (other.order, other.rules)


@given(standings, contacts)
def test_a_field_that_is_not_to_be_learned_stays_as_it_is(learned: list[Standing], contact: Contact) -> None:
    plan = orders(learned, ("phone",)).plan("t", contact)
    assert plan.order["email"] == ORDER["email"]
    assert {field for field, _ in plan.rules} == {"phone"}


counts = st.builds(
    lambda asked, share: Counts(asked, asked * share, asked * share * 0.9), st.floats(1, 1e4), st.floats(0, 1)
)


@given(counts, counts, st.floats(0.1, 10), st.floats(1, 2))
def test_more_found_is_worth_more_and_dearer_is_worth_less(
    here: Counts, usual: Counts, price: float, more: float
) -> None:
    before = worth("x", price, here, usual)
    better = here._replace(found=min(here.asked, here.found * more), confidence_sum=here.confidence_sum * more)
    assert worth("x", price, better, usual).found >= before.found
    assert worth("x", price * more, here, usual).value <= before.value
    assert 0 <= before.found <= 1


def test_what_is_worth_most_comes_first_and_the_receipt_says_why() -> None:
    learned = [standing("hunter", 400, 100), standing("pdl", 400, 360), standing("apollo", 400, 240)]
    plan = orders(learned).plan("t", unexplored(0))
    assert plan.order["email"] == ("own", "apollo", "pdl", "hunter")
    step, _ = plan.start(("email",))
    assert step is not None
    step = settle(step, MISS, (), 1.0).next
    assert step is not None
    found = Outcome(OutcomeKind.FOUND, {"email": Value("a@b.example")})
    result = settle(step, found, (), 1.0).results["email"]
    assert (result.provider, result.rule) == (
        "apollo",
        "learned: no. 1 in domain/else, 0.60 found, 0.90 sure, at 1 (400 asked)",
    )


def test_a_configured_order_has_no_rule() -> None:
    step, _ = Waterfall(ORDER, GIVES, PAID).start(("email",))
    assert step is not None
    assert settle(step, Outcome(OutcomeKind.FOUND, {"email": Value("a@b.c")}), (), 1.0).results["email"].rule == ""


def test_until_enough_is_known_the_order_is_the_configured_one() -> None:
    little = [standing("apollo", 10, 10), standing("hunter", 9, 0)]
    assert orders(little).plan("t", unexplored(0)).order["email"] == ORDER["email"]
    assert orders([*little, standing("pdl", 1, 1)]).plan("t", unexplored(0)).order["email"][1] == "apollo"
    assert orders([standing("apollo", 500, 500)]).plan("another", unexplored(0)).order["email"] == ORDER["email"]


def test_a_segment_that_is_hardly_known_is_judged_by_the_others() -> None:
    learned = [standing("hunter", 500, 50), standing("pdl", 500, 490), standing("apollo", 500, 250)]
    profile = Contact(linkedin_url="https://www.linkedin.com/in/someone", first_name="Q", last_name="R", country="DE")
    assert not is_explored(profile)
    assert segment_of(profile) == "linkedin/europe"
    assert [one.provider for one in orders(learned).ranked("t", "linkedin/europe", "email")] == [
        "apollo",
        "pdl",
        "hunter",
    ]
    here = [standing("hunter", 500, 490, segment="linkedin/europe")]
    assert orders([*learned, *here]).plan("t", profile).order["email"][1] == "hunter"


def test_a_share_of_the_contacts_tries_whoever_was_asked_least() -> None:
    learned = [standing("hunter", 900, 890), standing("pdl", 3, 0), standing("apollo", 900, 10)]
    plans = orders(learned)
    firsts: Counter[str] = Counter()
    for number in range(4_000):
        contact = Contact(first_name=f"P{number}", last_name="Doe", company_domain="sayprimer.com")
        firsts[plans.plan("t", contact).order["email"][1]] += 1
    assert set(firsts) == {"hunter", "pdl"}
    assert 0.7 / EXPLORED_EACH < firsts["pdl"] / 4_000 < 1.3 / EXPLORED_EACH
    assert plans.plan("t", unexplored(0)).rules["email", "hunter"].startswith("learned: no. 1")


@pytest.mark.parametrize(
    ("contact", "segment"),
    [
        (DOMAIN, "domain/else"),
        (Contact(full_name="A B", company_domain="b.de"), "domain/europe"),
        (Contact(full_name="A B", company_domain="b.de", country="us"), "domain/north_america"),
        (Contact(full_name="A B", company_name="B GmbH", country="DE"), "company/europe"),
        (Contact(full_name="A B", company_name="b.co.uk"), "domain/europe"),
        (Contact(linkedin_url="https://linkedin.com/in/ab"), "linkedin/else"),
        (Contact(full_name="A B"), "nobody"),
        (Contact(company_domain="b.de"), "nobody"),
    ],
)
def test_segments(contact: Contact, segment: str) -> None:
    assert segment_of(contact) == segment


@given(contacts)
def test_every_contact_has_one_of_the_segments(contact: Contact) -> None:
    assert segment_of(contact) in SEGMENTS


TRUE_SHARES = {
    "hunter": {"domain/europe": 0.2, "domain/north_america": 0.7},
    "pdl": {"domain/europe": 0.6, "domain/north_america": 0.6},
    "apollo": {"domain/europe": 0.7, "domain/north_america": 0.1},
}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_what_is_learned_pays(seed: int) -> None:
    """Vendors that are good at different parts of the world: as many are found for fewer credits than as configured."""
    learned_cost, learned_found = spent(seed, learn=True)
    cost, found = spent(seed, learn=False)
    assert learned_found == found  # whoever anybody knows is found in either order
    assert learned_cost < 0.9 * cost


def spent(seed: int, *, learn: bool) -> tuple[float, int]:
    """Credits for asking (charged found or not), and people found, of 3,000 contacts."""
    chance = random.Random(seed)
    plans = orders()
    counts: defaultdict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    cost, found = 0.0, 0
    for number in range(3_000):
        contact = Contact(first_name=f"P{number}", last_name="D", company_domain="a.de" if number % 2 else "a.ca")
        segment = segment_of(contact)
        knows = {name: chance.random() < TRUE_SHARES[name][segment] for name in PAID}
        order = plans.plan("t", contact).order["email"] if learn else ORDER["email"]
        for name in order[1:]:
            cost += PRICES[name]["email"]
            counts[name, segment][0] += 1
            if knows[name]:
                counts[name, segment][1] += 1
                found += 1
                break
        if learn and number % 100 == 0:
            plans.learn([standing(name, said[0], said[1], segment=where) for (name, where), said in counts.items()])
    return cost, found


def test_nothing_known_is_worth_the_prior() -> None:
    assert worth("x", 2.0, NO_COUNTS, NO_COUNTS).value == pytest.approx(0.5 * 0.8 / 2.0)

"""Provider `email_check`: whether an address can be right at all: its form, and whether its domain takes mail. Free.

It never says that an address is valid, since that is known to the domain's own servers only. What it can say is that
one is `invalid` (no form of an address, a domain that is not there or takes no mail), `disposable` or `catch_all`
(domains that the settings name so); anything else is `unknown`, and the next verifier's.
"""

from collections.abc import Sequence

from email_validator import EmailNotValidError, validate_email

from des.clock import Clock
from des.config_providers import EmailCheckConfig
from des.providers.contract import MISS, VERDICT, Outcome, OutcomeKind, Question, Traits, Value, Verification
from des.providers.mail_domains import Mail, MailDomains

CONFIDENCE_INVALID = 0.0
NO_FORM = "NOT_AN_ADDRESS"
NAMED = "DOMAIN_IS_LISTED"


class EmailCheckProvider:
    """A `Provider` of verdicts on addresses."""

    def __init__(self, name: str, config: EmailCheckConfig, clock: Clock) -> None:
        """Take its name and settings, and the clock by which domains are remembered."""
        self._domains = MailDomains(clock, config.nameservers, config.timeout_s)
        self._listed = dict.fromkeys(map(str.lower, config.catch_all_domains), Verification.CATCH_ALL)
        self._listed |= dict.fromkeys(map(str.lower, config.disposable_domains), Verification.DISPOSABLE)
        self.traits = Traits(
            name,
            frozenset({VERDICT}),
            batch_max=config.batch_max,
            slots=config.concurrency,
            deadline_s=config.deadline_s,
            attempts_max=config.attempts_max,
            remote=True,
            rate_windows=tuple((rate.count, rate.per_s) for rate in config.rate),
            trusted=True,
        )

    @property
    def lookups(self) -> int:
        """Domains that were looked up, rather than remembered."""
        return self._domains.lookups

    async def start(self) -> None:
        """Open the resolver."""
        await self._domains.start()

    async def stop(self) -> None:
        """Close it."""
        await self._domains.stop()

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """A verdict on the address of each question; every domain of them is looked up once, all at the same time."""
        domains = [_domain_of(question.contact.email) for question in questions]
        said = await self._domains.of([domain for domain in domains if domain and domain not in self._listed])
        return [
            MISS if VERDICT not in question.fields else self._judged(domain, said.get(domain, Mail.UNKNOWN))
            for question, domain in zip(questions, domains, strict=True)
        ]

    def _judged(self, domain: str, mail: Mail) -> Outcome:
        if not domain:
            return _verdict(Verification.INVALID, NO_FORM)
        if domain in self._listed:
            return _verdict(self._listed[domain], NAMED)
        return _verdict(Verification.INVALID if mail.taken is False else Verification.UNKNOWN, mail.value)


def _domain_of(address: str) -> str:
    """The domain as DNS has it, in ASCII and lower case; "" where this is no address."""
    try:
        checked = validate_email(address, check_deliverability=False, allow_quoted_local=False)
    except EmailNotValidError:
        return ""
    return checked.ascii_domain.lower()


def _verdict(word: Verification, why: str) -> Outcome:
    value = Value(word.value, CONFIDENCE_INVALID, evidence=why)
    return Outcome(OutcomeKind.FOUND, {VERDICT: value})

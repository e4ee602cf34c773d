"""The part of the settings that describes providers: one model per kind, told apart by `kind`.

Models only say what may be written; what cannot be told from one value alone (a template that does not parse, a field
nobody knows) is refused by the provider itself when it is built, before anything starts. The name of a provider is the
key under which its settings stand, and is no part of them. Unknown keys are refused: a typo is not a default.
"""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from des.limits import COST_MAX, CREDIT_PRICE_MAX

OutcomeName = Literal[
    "found",
    "miss",
    "invalid_input",
    "suppressed",
    "rate_limited",
    "quota_exhausted",
    "unauthorized",
    "transient",
    "pending",
    "unknown",
]
"""The outcomes of `des.providers.contract`, as they are written in settings."""

ReplayName = Literal["never_free", "free_in_period", "free_for_life", "free_unless_concurrent"]
"""What the vendor charges for the same question asked again, as it is written in settings."""

JsonPath = Annotated[str, Field(min_length=1, examples=["data.email", "emails[0].value"])]
"""A place in a JSON answer: keys joined by dots, list positions in brackets, and nothing else."""


Address = Annotated[str, Field(pattern=r"^https?://[^/\s]+")]
"""URL of a server, `http` or `https`."""
_PROXY = r"^(https?|socks[45]h?)://[^/\s]+"


def _usable_proxy(proxy: SecretStr) -> SecretStr:
    if not re.match(_PROXY, proxy.get_secret_value()):
        raise ValueError(f"should match pattern '{_PROXY}'")
    return proxy


Proxy = Annotated[SecretStr, AfterValidator(_usable_proxy)]
"""URL of a forward proxy; a name and a password may stand in it."""


def _usable_key(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if not text.strip():
        raise ValueError("must be set: it is empty")
    if not (text.isascii() and text.isprintable()):
        raise ValueError("holds characters that no header can carry; is it the key, without quotes and line ends?")
    return key


Key = Annotated[SecretStr, AfterValidator(_usable_key)]
"""An API key, as it goes into a header."""


NameServer = Annotated[
    str,
    Field(pattern=r"^(\d{1,3}(\.\d{1,3}){3}(:\d{1,5})?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+|\[[0-9A-Fa-f:.]+\](:\d{1,5})?)$"),
]
"""Address of a DNS server, with a port where it is not 53."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


class Rate(_Model):
    """Permitted calls: at most `count` in any window of `per_s` seconds."""

    count: int = Field(gt=0)
    per_s: float = Field(gt=0)


def _one_of_each_length(rates: tuple[Rate, ...]) -> tuple[Rate, ...]:
    lengths = [rate.per_s for rate in rates]
    twice = next((length for length in lengths if lengths.count(length) > 1), None)
    if twice is not None:
        raise ValueError(f"two windows are {twice:g} s long; keep the one with the smaller count")
    return rates


Rates = Annotated[tuple[Rate, ...], AfterValidator(_one_of_each_length)]
"""Windows that hold together, each of another length."""


class ProviderLimits(_Model):
    """What bounds the calls to any provider.

    `concurrency`: calls in flight; `deadline_s`: seconds for one call; `attempts_max`: calls for one question; `rate`:
    the windows that hold for all calls together, none where the provider has no limit.
    """

    concurrency: int = Field(64, ge=1, le=1_000)
    deadline_s: float = Field(10.0, gt=0, le=600)
    attempts_max: int = Field(5, ge=1, le=100)
    rate: Rates = ()


class PaidLimits(ProviderLimits):
    """What bounds the spending at a provider, and how long what it said is believed.

    `credit_price`: money of one credit, in the currency of all caps. `cap_credits`, `cap_money`: the most a tenant may
    spend here, none where left out. `found_days`, `miss_days`: how long an answer is used again before it is bought
    again. `transient_s`: how long a provider that has failed at a question, after all its tries, is not asked the same
    again. `stale_if_error_days`: for how long after its time an answer is still used when the provider fails, and the
    receipt says so. `unknown`: what becomes of a call that got no answer and is not free to send again: `hold` it for a
    person, `retry` it at the risk of paying twice, or `skip` the provider for that person.
    """

    credit_price: float = Field(0.0, ge=0, le=CREDIT_PRICE_MAX)
    cap_credits: float | None = Field(None, ge=0)
    cap_money: float | None = Field(None, ge=0)
    found_days: float = Field(90.0, ge=0)
    miss_days: float = Field(30.0, ge=0)
    transient_s: float = Field(60.0, ge=0, le=86_400)
    stale_if_error_days: float = Field(0.0, ge=0, le=3_650)
    unknown: Literal["hold", "retry", "skip"] = "hold"


class BulkLimits(PaidLimits):
    """What bounds the spending at a vendor that is asked about many people in one request.

    `linger_s`: how long a request that is not full waits for more people, from any ERID; none waits once it is full.
    """

    linger_s: float = Field(0.05, ge=0, le=60)


class LaterLimits(BulkLimits):
    """What bounds the spending, and the waiting, at a vendor that answers later.

    `wait_s`: seconds that a contact waits for an answer; then its fields end as `failed`, nobody else is paid for them,
    and they are found after all when the answer comes.
    """

    wait_s: float = Field(900.0, gt=0, le=86_400)


class RequestConfig(_Model):
    """How one question becomes one HTTP request: `method`, `url`, `query` and `headers`, and `body` where it has one.

    Texts may carry placeholders (see `des.providers.template`). A query parameter, a header or a member of `body`
    whose text is nothing but a placeholder without a value is left out.
    """

    method: Literal["GET", "POST", "PUT"] = "GET"
    url: str = Field(min_length=1)
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    body: dict[str, Any] | list[Any] | None = Field(None, description="JSON body; placeholders in its texts")


class WhenConfig(_Model):
    """A condition on a JSON answer: what stands at `path` equals `equals`, or is there (`exists`)."""

    path: JsonPath
    equals: str | int | float | bool | None = None
    exists: bool | None = None

    @model_validator(mode="after")
    def _one_test(self) -> Self:
        if (self.exists is None) == ("equals" not in self.model_fields_set):
            raise ValueError("write either `equals` or `exists`")
        return self


class OutcomeRule(_Model):
    """Answers of one `status` (none: any) that meet `when` (none: always) end in `outcome`; the first fit counts.

    `reason`: what the receipt says of it.
    """

    outcome: OutcomeName
    status: tuple[Annotated[int, Field(ge=100, le=599)], ...] = ()
    when: WhenConfig | None = None
    reason: str = Field("", max_length=64)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.status and self.when is None:
            raise ValueError("a rule needs `status` or `when`, or it hides every rule below it")
        if self.outcome == "pending":
            raise ValueError("`pending` needs a dialect: nothing here says how to collect the answer")
        return self


class ValueConfig(_Model):
    """Where one field's value stands in a found answer (`path`), and how sure it is.

    `verification_path` and `evidence_path`: where the vendor says how it was verified and what speaks for it.
    Confidence is what stands at `confidence_path` divided by `confidence_scale` (100 for a percentage), kept within
    0-1; `confidence` where there is no such path or nothing stands there.
    """

    path: JsonPath
    confidence: float = Field(1.0, ge=0, le=1)
    confidence_path: JsonPath | None = None
    confidence_scale: float = Field(1.0, gt=0)
    verification_path: JsonPath | None = None
    evidence_path: JsonPath | None = None


class HttpProviderConfig(PaidLimits):
    """Any JSON API, described: the request, what its answers mean (`outcomes`), where each field of `values` stands.

    `api_key`: what the placeholder of that name stands for. `reference_path`, `cost_path`: the vendor's own
    reference and the credits charged, for the receipt. `replay`: what the same question costs when it is asked
    again. `paid`: a call that may have been sent and got no answer ends `unknown` and is not sent again. `price`:
    the most credits that a call can cost, which is what is set aside for it, and what a found answer costs where
    `cost_path` names no place: a charge above it is settled in full and may pass a cap. `proxy`: URL of a forward
    proxy; the environment's is not used.
    """

    kind: Literal["http"]
    request: RequestConfig
    values: dict[str, ValueConfig] = Field(min_length=1)
    outcomes: tuple[OutcomeRule, ...] = ()
    reference_path: JsonPath | None = None
    cost_path: JsonPath | None = None
    price: float = Field(0.0, ge=0, le=COST_MAX)
    paid: bool = False
    replay: ReplayName = "never_free"
    api_key: Key | None = None
    proxy: Proxy | None = None
    body_bytes_max: int = Field(1_048_576, ge=1_024, description="bytes of one answer")

    @model_validator(mode="after")
    def _reserves_what_it_may_cost(self) -> Self:
        if self.paid and self.cost_path and not self.price:
            raise ValueError(
                "`cost_path` without `price`: nothing is reserved for a call, so that no cap holds; set "
                "`price` to the most that a call can cost"
            )
        return self


class HunterConfig(PaidLimits):
    """Hunter's e-mail finder. Limits are the vendor's documented ones (15/s and 500/min).

    `api_key`: the account's; `url`: another server that speaks like it, such as the sandbox; `proxy`: as for `http`.
    """

    kind: Literal["hunter"]
    api_key: Key
    url: Address = "https://api.hunter.io"
    concurrency: int = Field(16, ge=1, le=1_000)
    deadline_s: float = Field(20.0, gt=0, le=600)
    rate: Rates = (Rate(count=15, per_s=1.0), Rate(count=500, per_s=60.0))
    price: float = Field(1.0, ge=0, le=COST_MAX, description="credits of one e-mail found")
    max_duration_s: int = Field(10, ge=3, le=20, description="the vendor's own time limit for one search")
    proxy: Proxy | None = None


class HunterVerifierConfig(LaterLimits):
    """Hunter's e-mail verifier, for `verify`. Limits are the vendor's documented ones (10/s and 300/min).

    `api_key`: the account's; `url`: another server that speaks like it, such as the sandbox; `proxy`: as for `http`.
    """

    kind: Literal["hunter_verifier"]
    api_key: Key
    url: Address = "https://api.hunter.io"
    concurrency: int = Field(16, ge=1, le=1_000)
    deadline_s: float = Field(20.0, gt=0, le=600)
    rate: Rates = (Rate(count=10, per_s=1.0), Rate(count=300, per_s=60.0))
    price: float = Field(1.0, ge=0, le=COST_MAX, description="credits of one address that the vendor can tell of")
    poll_after_s: float = Field(5.0, gt=0, le=86_400, description="seconds between two looks for an answer")
    proxy: Proxy | None = None


class PdlConfig(BulkLimits):
    """People Data Labs' person enrichment. The rate is that of a free key; a paid one is permitted 1,000 a minute.

    `api_key`: the account's; `url`: another server that speaks like it, such as the sandbox; `proxy`: as for `http`.
    """

    kind: Literal["pdl"]
    api_key: Key
    url: Address = "https://api.peopledatalabs.com"
    concurrency: int = Field(16, ge=1, le=1_000)
    deadline_s: float = Field(30.0, gt=0, le=600)
    rate: Rates = (Rate(count=100, per_s=60.0),)
    batch_max: int = Field(80, ge=1, le=100, description="people in one request; replies to more than 80 may not fit")
    price: float = Field(1.0, ge=0, le=COST_MAX, description="credits of one person found")
    likelihood_min: int = Field(6, ge=1, le=10, description="how sure (1-10) the vendor must be of the person")
    proxy: Proxy | None = None


class ApolloConfig(LaterLimits):
    """Apollo's people enrichment. The rate is that of a free team's bulk calls; a paid one is permitted 1,000 a minute.

    `api_key`: the team's; `url`: another server that speaks like it, such as the sandbox; `proxy`: as for `http`.
    """

    kind: Literal["apollo"]
    api_key: Key
    url: Address = "https://api.apollo.io"
    concurrency: int = Field(8, ge=1, le=1_000)
    deadline_s: float = Field(30.0, gt=0, le=600)
    rate: Rates = (Rate(count=20, per_s=60.0),)
    batch_max: int = Field(10, ge=1, le=10, description="people in one request")
    price: float = Field(1.0, ge=0, le=COST_MAX, description="credits of one person found")
    price_phone: float = Field(
        8.0, ge=0, le=COST_MAX, description="credits that a phone number costs on top of the person"
    )
    proxy: Proxy | None = None


class ProspeoConfig(BulkLimits):
    """Prospeo's person enrichment. The vendor's rates depend on the plan: these are those of the smallest one.

    `api_key`: the account's; `url`: another server that speaks like it, such as the sandbox; `proxy`: as for `http`.
    """

    kind: Literal["prospeo"]
    api_key: Key
    url: Address = "https://api.prospeo.io"
    concurrency: int = Field(8, ge=1, le=1_000)
    deadline_s: float = Field(30.0, gt=0, le=600)
    rate: Rates = (Rate(count=5, per_s=1.0), Rate(count=300, per_s=60.0))
    batch_max: int = Field(50, ge=1, le=50, description="people in one request")
    price: float = Field(1.0, ge=0, le=COST_MAX, description="credits of one person found without a phone number")
    price_phone: float = Field(10.0, ge=0, le=COST_MAX, description="credits of one person found with a phone number")
    only_verified_email: bool = Field(
        True, description="whether a person whose address is not verified is a miss, which is free"
    )
    proxy: Proxy | None = None


class DropcontactConfig(LaterLimits):
    """Dropcontact's enrichment, which answers after half a minute or later. The rate is the vendor's documented one.

    `api_key`: the account's; `url`: another server that speaks like it, such as the sandbox; `proxy`: as for `http`.
    """

    kind: Literal["dropcontact"]
    api_key: Key
    url: Address = "https://api.dropcontact.com"
    concurrency: int = Field(4, ge=1, le=1_000)
    deadline_s: float = Field(30.0, gt=0, le=600)
    rate: Rates = (Rate(count=60, per_s=1.0),)
    batch_max: int = Field(250, ge=1, le=250, description="people in one request, which needs credits for all of them")
    price: float = Field(
        1.0, ge=0, le=COST_MAX, description="credits taken for one person, given back where no address is found"
    )
    poll_after_s: float = Field(30.0, gt=0, le=86_400, description="seconds between two looks for an answer")
    answer_deadline_s: float = Field(
        3_600.0, gt=0, le=30 * 86_400, description="seconds after which an answer that is not there is given up"
    )
    proxy: Proxy | None = None


class FullEnrichConfig(LaterLimits):
    """FullEnrich's bulk enrichment, which answers after a minute or later. The rate is the vendor's documented one.

    `api_key`: the workspace's; `url`: another server that speaks like it, such as the sandbox; `proxy`: as for `http`.
    """

    kind: Literal["fullenrich"]
    api_key: Key
    url: Address = "https://app.fullenrich.com"
    concurrency: int = Field(4, ge=1, le=1_000)
    deadline_s: float = Field(30.0, gt=0, le=600)
    rate: Rates = (Rate(count=60, per_s=60.0),)
    batch_max: int = Field(100, ge=1, le=100, description="people in one request")
    price: float = Field(1.0, ge=0, le=COST_MAX, description="credits of one professional address found")
    price_personal_email: float = Field(3.0, ge=0, le=COST_MAX, description="credits of one personal address found")
    price_phone: float = Field(10.0, ge=0, le=COST_MAX, description="credits of one phone number found")
    poll_after_s: float = Field(60.0, gt=0, le=86_400, description="seconds between two looks for an answer")
    answer_deadline_s: float = Field(
        6 * 3_600.0, gt=0, le=90 * 86_400, description="seconds after which an answer that is not there is given up"
    )
    replay_after_s: float = Field(
        3_600.0,
        ge=0,
        le=90 * 86_400,
        description="seconds after which a request without a reply has surely ended: then it is free to send again",
    )
    webhook_url: str | None = Field(
        None,
        pattern="^https?://",
        description="where the vendor sends what is finished; by default under `http.public_url`, if that is set",
    )
    proxy: Proxy | None = None


class PythonProviderConfig(PaidLimits):
    """A provider of yours: a class that keeps the contract of `des.providers.contract` (docs/write-a-provider.md).

    `implementation`: its module and name, as in `acme_people:AcmePeople`; it is called with a
    `des.providers.python.Setup`. `options`: whatever it wants to be told. `api_key`: what it sends as its key, where it
    has one.
    """

    kind: Literal["python"]
    implementation: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    options: dict[str, Any] = {}
    api_key: Key | None = None


class DirectoryConfig(ProviderLimits):
    """The user's own people.

    `fuzzy_min`: similarity (0-100) of name and company from which a person is the same. `batch_max`: people looked up
    in one query.
    """

    kind: Literal["directory"]
    fuzzy_min: float = Field(92.0, ge=0, le=100)
    concurrency: int = Field(1, ge=1, le=64)
    batch_max: int = Field(1_000, ge=1, le=10_000)


class EmailPatternConfig(ProviderLimits):
    """Addresses proposed from each domain's own patterns, as the directory shows them.

    `samples_min`: addresses a domain must show before one is proposed. `confidence_min`: below it nothing is proposed.
    `batch_max`: people whose domains are looked up in one query.
    """

    kind: Literal["email_pattern"]
    samples_min: int = Field(3, ge=1)
    confidence_min: float = Field(0.5, ge=0, le=1)
    concurrency: int = Field(1, ge=1, le=64)
    batch_max: int = Field(1_000, ge=1, le=10_000)


class EmailCheckConfig(ProviderLimits):
    """Whether an address can be right at all, for `verify`: its form, and whether its domain takes mail, by DNS.

    `nameservers`: whom to ask, as `address` or `address:port`; none: whom this machine asks. `timeout_s`: for one
    domain; without an answer the address stays `unknown`. `catch_all_domains`, `disposable_domains`: of which you know
    that they take mail for any address, or that theirs are thrown away. `batch_max`: addresses looked at together.
    """

    kind: Literal["email_check"]
    nameservers: tuple[NameServer, ...] = ()
    timeout_s: float = Field(3.0, gt=0, le=60)
    catch_all_domains: tuple[str, ...] = ()
    disposable_domains: tuple[str, ...] = ()
    concurrency: int = Field(4, ge=1, le=64)
    batch_max: int = Field(1_000, ge=1, le=10_000)


VendorConfig = (
    HunterConfig
    | HunterVerifierConfig
    | PdlConfig
    | ApolloConfig
    | ProspeoConfig
    | DropcontactConfig
    | FullEnrichConfig
)
"""Settings of a vendor that has a dialect of its own."""

ProviderConfig = Annotated[
    HttpProviderConfig | VendorConfig | PythonProviderConfig | DirectoryConfig | EmailPatternConfig | EmailCheckConfig,
    Field(discriminator="kind"),
]
"""Settings of one provider; `kind` says which."""

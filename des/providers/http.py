"""The provider that needs no code: any JSON API, described in the settings.

One question is one call: the request is made from the contact by a template, the status (and where asked the body) is
mapped to an outcome, and the values are read at their paths. What is not described follows HTTP's own meaning:

| answer | outcome |
|---|---|
| 2xx with a value | found |
| 2xx without one, 404, 410 | miss |
| 400, 422 | invalid_input |
| 401, 403 | unauthorized |
| 402 | quota_exhausted |
| 429 | rate_limited, until Retry-After where it is given |
| 451 | suppressed |
| everything else | transient |
| sent, and no readable answer | unknown where the calls are paid, else transient |

A description, here of the sandbox's plain vendor:

    [providers.plain]
    kind = "http"
    concurrency = 16
    reference_path = "id"

    [providers.plain.request]
    url = "http://127.0.0.1:8090/lookup"
    query = { first_name = "{first_name!}", last_name = "{last_name!}", company = "{domain,company_name!}" }

    [providers.plain.values]
    professional_email = { path = "data.email", confidence_path = "data.score", confidence_scale = 100 }
    phone_number = { path = "data.phone", confidence = 0.7 }

    [[providers.plain.outcomes]]
    status = [404]
    when = { path = "error", equals = "no such route" }
    outcome = "transient"
    reason = "WRONG_ADDRESS"
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from des.clock import Clock
from des.config_problems import Problems
from des.config_providers import HttpProviderConfig, OutcomeRule, RequestConfig, ValueConfig
from des.contact import FREE, FieldType
from des.errors import ConfigError
from des.providers.account import Account
from des.providers.contract import MISS, FieldTypes, Outcome, OutcomeKind, Question, Replay, Traits, Value
from des.providers.fault import CallFailed
from des.providers.paths import Path
from des.providers.request import MissingInput, RequestTemplate
from des.providers.transport import Reply, Transport
from des.providers.values import Values
from des.providers.verdict import StatusMap, failed_call, refused, unreadable

_EXACT = {
    400: OutcomeKind.INVALID_INPUT,
    401: OutcomeKind.UNAUTHORIZED,
    402: OutcomeKind.QUOTA_EXHAUSTED,
    403: OutcomeKind.UNAUTHORIZED,
    404: OutcomeKind.MISS,
    410: OutcomeKind.MISS,
    422: OutcomeKind.INVALID_INPUT,
    429: OutcomeKind.RATE_LIMITED,
    451: OutcomeKind.SUPPRESSED,
}
_FREE = StatusMap(exact=_EXACT | dict.fromkeys((502, 504), OutcomeKind.TRANSIENT), hundreds={2: OutcomeKind.FOUND})
_PAID = StatusMap(exact=_EXACT | {503: OutcomeKind.TRANSIENT}, hundreds={2: OutcomeKind.FOUND, 5: OutcomeKind.UNKNOWN})
"""What statuses mean where the settings have no rule. What a server has charged that could not end a call nobody knows,
but for 503, which says that the request was not handled (RFC 9110, 15.6.4)."""


class HttpProvider:
    """Asks one described API. Raises ConfigError when built from a description that cannot work."""

    def __init__(
        self, name: str, config: HttpProviderConfig, field_types: FieldTypes, values: Values, clock: Clock
    ) -> None:
        """Take the provider's name and description, the types of all fields, and who normalises values."""
        place = f"providers.{name}"
        constants = {} if config.api_key is None else {"api_key": config.api_key.get_secret_value()}
        problems = Problems()
        self._request = problems.of(
            partial(RequestTemplate, config.request, f"{place}.request", constants), _NO_REQUEST
        )
        rules = [
            problems.of(partial(_Rule, rule, f"{place}.outcomes[{at}]"), None)
            for at, rule in enumerate(config.outcomes)
        ]
        readers = [
            problems.of(partial(_FieldReader, field, value, f"{place}.values.{field}", field_types, values), None)
            for field, value in config.values.items()
        ]
        self._reference = _path(config.reference_path, f"{place}.reference_path", problems)
        self._cost = _path(config.cost_path, f"{place}.cost_path", problems)
        problems.raise_any()
        self._rules = [rule for rule in rules if rule is not None]
        self._fields = [reader for reader in readers if reader is not None]
        self._price = config.price
        self._paid = config.paid
        self._clock = clock
        self.account = Account(clock, [(rate.count, rate.per_s) for rate in config.rate])
        self._transport = Transport(
            slots=config.concurrency,
            deadline_s=config.deadline_s,
            headers={"accept": "application/json"} | self._request.headers,
            body_bytes_max=config.body_bytes_max,
            proxy=config.proxy.get_secret_value() if config.proxy else None,
            account=self.account,
        )
        self._traits = Traits(
            name,
            frozenset(config.values),
            slots=config.concurrency,
            deadline_s=config.deadline_s,
            attempts_max=config.attempts_max,
            remote=True,
            paid=config.paid,
            replay=Replay(config.replay),
            prices=dict.fromkeys(config.values, config.price),
            rate_windows=tuple((rate.count, rate.per_s) for rate in config.rate),
        )

    def __repr__(self) -> str:
        """Name and connection."""
        return f"HttpProvider({self._traits.name}, {self._transport!r})"

    @property
    def traits(self) -> Traits:
        """As configured; one question a call."""
        return self._traits

    async def start(self) -> None:
        """Open the connection pool. Raises ConfigError for headers or a proxy that cannot be used."""
        await self._transport.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._transport.stop()

    async def ask(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """One call for each question, in their order."""
        if len(questions) == 1:  # always: and a comprehension is a coroutine of its own
            return [await self._ask(questions[0])]
        return [await self._ask(question) for question in questions]

    async def _ask(self, question: Question) -> Outcome:
        contact = question.contact
        try:
            request = self._request.render(contact)
            reply = await self._transport.send(
                self._request.method, request.url, headers=request.headers, body=request.body
            )
        except MissingInput as missing:
            return Outcome(OutcomeKind.INVALID_INPUT, reason=f"NEEDS {missing}")
        except CallFailed as failed:
            return failed_call(failed, paid=self._paid)
        return self._judge(reply, contact.country)

    def _judge(self, reply: Reply, country: str) -> Outcome:
        """What the reply means: the first rule that fits, else what its status means."""
        document, readable = _decoded(reply.body)
        kind, reason = (_PAID if self._paid else _FREE).kind(reply.status), ""
        for rule in self._rules:
            if rule.fits(reply.status, document):
                kind, reason = rule.kind, rule.reason
                break
        if kind is not OutcomeKind.FOUND:
            if kind is OutcomeKind.MISS:
                return self._missed(document)
            return refused(kind, reply, self._clock.time(), reason=reason)
        if not readable:
            return unreadable("NOT_JSON", paid=self._paid)
        return self._found(document, country)

    def _missed(self, document: Any, reason: str = "") -> Outcome:
        """Nothing was found, which may have cost something."""
        cost = _number(self._cost.read(document), FREE) if self._cost else FREE
        return Outcome(OutcomeKind.MISS, reason=reason, cost=cost) if cost or reason else MISS

    def _found(self, document: Any, country: str) -> Outcome:
        values: dict[str, Value] = {}
        for field in self._fields:
            value = field.read(document, country)
            if value is not None:
                values[field.name] = value
        if not values:
            is_wrong = any(field.holds(document) for field in self._fields)
            return self._missed(document, "INVALID_VALUE" if is_wrong else "")
        return Outcome(
            OutcomeKind.FOUND,
            values,
            reference=self._reference.read_text(document) if self._reference else "",
            cost=_number(self._cost.read(document), self._price) if self._cost else self._price,
        )


_NO_PATH = Path("nothing", "")
_NO_REQUEST = RequestTemplate(RequestConfig(url="https://nowhere.invalid/"), "", {})
"""They stand in for what does not parse, while the rest of the description is looked at."""


def _path(text: str | None, place: str, problems: Problems) -> Path | None:
    """A compiled path, where there is one and it is one."""
    return problems.of(partial(Path, text, place), None) if text else None


class _Rule:
    """One compiled outcome rule."""

    __slots__ = ("_equals", "_exists", "_path", "_statuses", "kind", "reason")

    def __init__(self, rule: OutcomeRule, place: str) -> None:
        self.kind = OutcomeKind(rule.outcome)
        self.reason = rule.reason
        self._statuses = frozenset(rule.status)
        self._path = None if rule.when is None else Path(rule.when.path, f"{place}.when.path")
        self._equals = None if rule.when is None else rule.when.equals
        self._exists = None if rule.when is None else rule.when.exists

    def fits(self, status: int, document: Any) -> bool:
        if self._statuses and status not in self._statuses:
            return False
        if self._path is None:
            return True
        found = self._path.read(document)
        if self._exists is not None:
            return (found is not None) == self._exists
        return type(found) is type(self._equals) and bool(found == self._equals)  # 1 is not true


class _FieldReader:
    """Where one field's value, confidence, verification and evidence stand."""

    __slots__ = ("_confidence", "_config", "_evidence", "_path", "_type", "_values", "_verification", "name")

    def __init__(self, name: str, config: ValueConfig, place: str, types: FieldTypes, values: Values) -> None:
        if name not in types:
            raise ConfigError.at(place, f"no field is called {name!r}; define it under `fields` or correct the name")
        self.name = name
        self._config = config
        self._values = values
        self._type: FieldType = types[name]
        problems = Problems()
        self._path = problems.of(partial(Path, config.path, f"{place}.path"), _NO_PATH)
        self._confidence = _path(config.confidence_path, f"{place}.confidence_path", problems)
        self._verification = _path(config.verification_path, f"{place}.verification_path", problems)
        self._evidence = _path(config.evidence_path, f"{place}.evidence_path", problems)
        problems.raise_any()

    def holds(self, document: Any) -> bool:
        return bool(self._path.read_text(document))

    def read(self, document: Any, country: str) -> Value | None:
        raw = self._path.read_text(document)
        value = self._values.normalise(self._type, raw, country) if raw else None
        if value is None:
            return None
        sure = self._config.confidence
        if self._confidence:
            sure = _number(self._confidence.read(document), sure * self._config.confidence_scale)
            sure = min(max(sure / self._config.confidence_scale, 0.0), 1.0)
        return Value(
            value,
            sure,
            self._verification.read_text(document) if self._verification else "",
            self._evidence.read_text(document) if self._evidence else "",
        )


def _decoded(body: bytes) -> tuple[Any, bool]:
    """The document and whether there is one; an empty body (204) is an empty document."""
    if not body:
        return None, True
    try:
        return msgspec.json.decode(body), True
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, False


def _number(found: Any, otherwise: float) -> float:
    if isinstance(found, bool) or not isinstance(found, (int, float, str)):
        return otherwise
    try:
        number = float(found)
    except ValueError:
        return otherwise
    return number if math.isfinite(number) else otherwise

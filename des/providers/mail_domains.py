"""Whether a domain takes mail, by DNS: its MX records, or without any its address (RFC 5321, 5.1). It is remembered.

A name that does not exist, one without MX and address, and a null MX (RFC 7505) are answers: no mail. A server that
does not answer, or fails, says nothing about the domain: `UNKNOWN`, which is asked again soon.
"""

import asyncio
import enum
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

import aiodns
import pycares
from aiodns import error as dns_error

from des.clock import Clock

_Data = TypeVar("_Data")

REMEMBERED_MAX = 20_000
"""Domains, of about 200 bytes each; the one that was looked up longest ago goes first."""
REMEMBERED_S = 3_600.0
UNKNOWN_REMEMBERED_S = 60.0
LOOKUPS_MAX = 64
"""Lookups under way at once."""


class Mail(enum.StrEnum):
    """What DNS says of a domain; the words stand in receipts."""

    MX = "MX"
    ADDRESS = "NO_MX_BUT_ADDRESS"
    NOBODY = "NO_SUCH_DOMAIN"
    NO_MAIL = "NO_MX_NO_ADDRESS"
    NULL_MX = "NULL_MX"
    UNKNOWN = "DNS_GAVE_NO_ANSWER"

    @property
    def taken(self) -> bool | None:
        """Whether the domain takes mail; None where nobody can tell."""
        match self:
            case Mail.MX | Mail.ADDRESS:
                return True
            case Mail.NOBODY | Mail.NO_MAIL | Mail.NULL_MX:
                return False
            case Mail.UNKNOWN:
                return None


class MailDomains:
    """Looks domains up. `start` it before, `stop` it afterwards."""

    def __init__(self, clock: Clock, nameservers: Sequence[str], timeout_s: float) -> None:
        """Take the servers to ask (`address` or `address:port`; none: the machine's) and the seconds for one lookup."""
        self._clock = clock
        self._nameservers = nameservers
        self._timeout_s = timeout_s
        self._remembered: OrderedDict[str, tuple[float, Mail]] = OrderedDict()
        self._under_way = asyncio.Semaphore(LOOKUPS_MAX)
        self._resolver: aiodns.DNSResolver | None = None
        self.lookups = 0

    def __len__(self) -> int:
        """Domains remembered."""
        return len(self._remembered)

    async def start(self) -> None:
        """Open the resolver."""
        # Half the time a try, so that a lost packet is no lost answer.
        servers = list(self._nameservers) or None
        self._resolver = aiodns.DNSResolver(servers, timeout=self._timeout_s / 2, tries=2)

    async def stop(self) -> None:
        """Close it; harmless when never started and when repeated."""
        resolver, self._resolver = self._resolver, None
        if resolver is not None:
            await resolver.close()

    async def of(self, domains: Collection[str]) -> Mapping[str, Mail]:
        """What DNS says of each of these domains (ASCII form, lower case): all of them at once."""
        now = self._clock.monotonic()
        known: dict[str, Mail] = {}
        wanted: list[str] = []
        for domain in dict.fromkeys(domains):
            until, mail = self._remembered.get(domain, (0.0, Mail.UNKNOWN))
            if until > now:
                known[domain] = mail
            else:
                wanted.append(domain)
        for domain, mail in zip(wanted, await asyncio.gather(*map(self._look_up, wanted)), strict=True):
            known[domain] = mail
            self._remember(domain, mail)
        return known

    def _remember(self, domain: str, mail: Mail) -> None:
        keep_s = UNKNOWN_REMEMBERED_S if mail is Mail.UNKNOWN else REMEMBERED_S
        self._remembered.pop(domain, None)
        if len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        self._remembered[domain] = (self._clock.monotonic() + keep_s, mail)

    async def _look_up(self, domain: str) -> Mail:
        async with self._under_way:
            self.lookups += 1
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._ask(domain)
            except (TimeoutError, dns_error.DNSError):
                return Mail.UNKNOWN

    async def _ask(self, domain: str) -> Mail:
        """Ask for MX, and where there are none for addresses. Raises DNSError where no server says anything."""
        try:
            exchanges = [mx.exchange for mx in await self._records(domain, "MX", pycares.MXRecordData)]
        except dns_error.DNSError as error:
            if error.args[0] == dns_error.ARES_ENOTFOUND:
                return Mail.NOBODY
            if error.args[0] != dns_error.ARES_ENODATA:
                raise
            return await self._by_address(domain)
        if exchanges:
            return Mail.NULL_MX if all(name in {"", "."} for name in exchanges) else Mail.MX
        return await self._by_address(domain)

    async def _by_address(self, domain: str) -> Mail:
        for kind, data in (("A", pycares.ARecordData), ("AAAA", pycares.AAAARecordData)):
            try:
                if await self._records(domain, kind, data):
                    return Mail.ADDRESS
            except dns_error.DNSError as error:
                if error.args[0] not in {dns_error.ARES_ENODATA, dns_error.ARES_ENOTFOUND}:
                    raise
        return Mail.NO_MAIL

    async def _records(self, domain: str, kind: str, data: type[_Data]) -> list[_Data]:
        """Records of the kind, without the aliases on the way to them."""
        if self._resolver is None:
            raise RuntimeError("it is started before it is asked")
        answer = (await self._resolver.query_dns(domain, kind)).answer
        return [record.data for record in answer if isinstance(record.data, data)]

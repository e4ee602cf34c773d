"""`POST /v1/webhooks/{provider}`: what vendors deliver by themselves, answered once it is kept.

The body is read as it came, since it is what was signed. A delivery that was taken before is answered as if it were
new: the vendor only wants to know that it need not send it again. One that cannot be kept is an error to it, and comes
again.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from aiohttp import web

from des.bodies import Bodies, unreadable
from des.errors import NotFound
from des.limits import HTTP_BODY_BYTES_MAX
from des.providers.contract import NOT_READY, Outcome, Traits
from des.providers.vetting import is_handle, vetted
from des.providers.webhook import Replayed
from des.routes import JSON, Body, Route

_PATH: Final = "/v1/webhooks/{provider}"

Deliver = Callable[[str, str, Outcome], Awaitable[None]]
"""Keeps one outcome, given the provider's name and the handle it is for. What it raises makes the vendor send again."""


class Receiver(Protocol):
    """A provider to which its vendor delivers."""

    @property
    def traits(self) -> Traits:
        """What its answers may cost."""

    @property
    def signature_header(self) -> str:
        """Name of the header that signs a delivery."""

    def receive(self, body: bytes, signature: str | None) -> Sequence[tuple[str, Outcome]]:
        """What it brings: handles with their outcomes. Raises the errors of `des.providers.webhook`."""

    def reject(self, signature: str) -> None:
        """Forget a delivery that could not be kept."""


class WebhookRoutes:
    """The handler, and the table that says where it answers and what."""

    def __init__(
        self, receivers: Mapping[str, Receiver], deliver: Deliver, *, body_bytes_max: int = HTTP_BODY_BYTES_MAX
    ) -> None:
        """Take the providers to which something is delivered, by name, who keeps it, and the most bytes of one body."""
        self._receivers = receivers
        self._deliver = deliver
        self._bodies = Bodies(body_bytes_max)

    def routes(self) -> tuple[Route, ...]:
        """Return the route table."""
        return (
            Route(
                "POST",
                _PATH,
                self.take,
                "takeDelivery",
                "Take what a provider's vendor delivers",
                {204: Body("it is kept, now or since an earlier delivery")},
                (400, 401, 404, 413),
                body=Body("what the vendor signed", {JSON: dict[str, Any]}),
            ),
        )

    async def take(self, request: web.Request) -> web.Response:
        """Take one delivery. Raises NotFound, InvalidInput, Overloaded, a WebhookRefused, and what `deliver` raises."""
        name = request.match_info["provider"]
        receiver = self._receivers.get(name)
        if receiver is None:
            raise NotFound("nothing is delivered to a provider of this name")
        signature = request.headers.get(receiver.signature_header)
        try:
            async with self._bodies.read(request) as body:
                brought = receiver.receive(body, signature)
        except web.RequestPayloadError as error:
            return unreadable(request, error)
        except Replayed:
            return web.Response(status=204)
        kept = False
        try:
            for handle, outcome in brought:
                if is_handle(handle):  # else no call is kept under it
                    await self._deliver(name, handle, *vetted([outcome], receiver.traits, NOT_READY, time.time()))
            kept = True
        finally:
            # Whatever went wrong, and even when the vendor hung up: it has to be taken when it comes again.
            if not kept:
                receiver.reject(signature or "")
        return web.Response(status=204)

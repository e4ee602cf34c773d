"""What a vendor sends by itself: whether it is the vendor's, and whether it has been taken before.

The signature is the HMAC of the raw body, in hex, under a key that both sides know. FullEnrich's is SHA-1 under the API
key (https://docs.fullenrich.com/api/v2/general/webhooks, read in a stored copy of 2026): there is no time in it and no
id of the delivery, so a body that was overheard stays valid for ever. `ReplayWindow` remembers the signatures that were
taken; what is older than it remembers is harmless because results are keyed by their handle.
"""

import hmac
from collections import OrderedDict

from des.clock import Clock
from des.errors import TerminalError

REMEMBERED_S = 3_600.0
"""Longer than a vendor repeats a delivery (FullEnrich: five times, a minute apart)."""
REMEMBERED_MAX = 100_000
"""Signatures remembered, of about 200 bytes each."""


class WebhookRefused(TerminalError):
    """A delivery was not taken."""

    reason = "WEBHOOK_REFUSED"


class SignatureMissing(WebhookRefused):
    """The delivery carries no signature."""

    reason = "SIGNATURE_MISSING"


class SignatureWrong(WebhookRefused):
    """The signature is not that of this body under the configured key: see the provider's `api_key`."""

    reason = "SIGNATURE_WRONG"


class Replayed(WebhookRefused):
    """The same delivery has been taken already: nothing is left to do."""

    reason = "REPLAYED"


class BodyUnreadable(WebhookRefused):
    """The delivery is signed rightly and is not in the documented form."""

    reason = "BODY_UNREADABLE"


class ReplayWindow:
    """Signatures that were taken, for `remembered_s` seconds, at most `remembered_max` of them; the oldest go first."""

    def __init__(self, clock: Clock, remembered_s: float = REMEMBERED_S, remembered_max: int = REMEMBERED_MAX) -> None:
        """Take the clock and the bounds."""
        self._clock = clock
        self._remembered_s = remembered_s
        self._remembered_max = remembered_max
        self._taken: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._taken)

    def take(self, signature: str) -> bool:
        """Remember it; False where it was remembered already."""
        now = self._clock.monotonic()
        while self._taken and next(iter(self._taken.values())) <= now - self._remembered_s:
            self._taken.popitem(last=False)
        if signature in self._taken:
            return False
        self._taken[signature] = now
        if len(self._taken) > self._remembered_max:
            self._taken.popitem(last=False)
        return True

    def give_back(self, signature: str) -> None:
        """Forget it: what was delivered could not be kept, and the vendor will send it again."""
        self._taken.pop(signature, None)


def verify(body: bytes, signature: str | None, key: str, seen: ReplayWindow) -> str:
    """Check the HMAC-SHA1 of the raw body in constant time, and take the delivery: the signature as `seen` has it.

    Raises SignatureMissing, SignatureWrong and Replayed. Whoever then cannot keep what was delivered gives the
    signature back to `seen`, or the vendor's next try would be refused.
    """
    given = (signature or "").strip().lower()
    if not given:
        raise SignatureMissing
    right = hmac.new(key.encode(), body, "sha1").hexdigest()
    if not hmac.compare_digest(given.encode(), right.encode()):
        raise SignatureWrong
    if not seen.take(right):
        raise Replayed
    return right

"""Why a call to a provider has no reply, and what that proves of what was sent."""

import enum

from des.errors import TransientError


class Fault(enum.StrEnum):
    """Why there is no reply: a closed set. The first five prove that nothing left this machine."""

    NO_PERMIT = "NO_PERMIT"
    DNS = "DNS"
    CONNECT = "CONNECT"
    CONNECT_TIMEOUT = "CONNECT_TIMEOUT"
    UNSENDABLE = "UNSENDABLE"
    TIMEOUT = "TIMEOUT"
    CONNECTION_LOST = "CONNECTION_LOST"
    CUT_BODY = "CUT_BODY"
    NOT_HTTP = "NOT_HTTP"
    BODY_TOO_LARGE = "BODY_TOO_LARGE"


class CallFailed(TransientError):
    """A call ended without a reply that can be read."""

    reason = "CALL_FAILED"

    def __init__(self, fault: Fault) -> None:
        """Take the fault; the library's message is left out, because it carries the URL and with it keys and names."""
        super().__init__(f"no reply: {fault.value}")
        self.fault = fault


class NotSent(CallFailed):
    """Nothing left this machine: nothing can have been charged."""


class MaybeSent(CallFailed):
    """The request may have arrived, been worked on and been charged."""

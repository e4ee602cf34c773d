"""A call without a reply: sent or not, paid or not."""

import pytest

from des.providers.contract import OutcomeKind
from des.providers.fault import CallFailed, Fault, MaybeSent, NotSent
from des.providers.verdict import failed_call

PROOFS = [Fault.DNS, Fault.CONNECT, Fault.CONNECT_TIMEOUT]
DOUBTS = [Fault.TIMEOUT, Fault.CONNECTION_LOST, Fault.CUT_BODY, Fault.NOT_HTTP, Fault.BODY_TOO_LARGE]


@pytest.mark.parametrize(
    ("error", "free", "paid"),
    [
        *[(NotSent(fault), OutcomeKind.TRANSIENT, OutcomeKind.TRANSIENT) for fault in PROOFS],
        *[(MaybeSent(fault), OutcomeKind.TRANSIENT, OutcomeKind.UNKNOWN) for fault in DOUBTS],
        (NotSent(Fault.NO_PERMIT), OutcomeKind.RATE_LIMITED, OutcomeKind.RATE_LIMITED),
        (NotSent(Fault.UNSENDABLE), OutcomeKind.INVALID_INPUT, OutcomeKind.INVALID_INPUT),
    ],
)
def test_only_a_paid_call_that_may_have_left_is_unknown(
    error: CallFailed, free: OutcomeKind, paid: OutcomeKind
) -> None:
    assert failed_call(error, paid=False).kind is free
    assert failed_call(error, paid=True).kind is paid
    assert failed_call(error, paid=True).reason == error.fault.value


def test_every_fault_is_covered() -> None:
    assert {*PROOFS, *DOUBTS, Fault.UNSENDABLE, Fault.NO_PERMIT} == set(Fault)

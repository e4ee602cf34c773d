"""The ledger's words."""

import time
from uuid import RFC_4122

from des.ledger import new_call_id


def test_ids_of_calls_are_of_version_7_and_in_order_of_time() -> None:
    before_ms = time.time_ns() // 1_000_000
    ids = [new_call_id() for _ in range(1_000)]
    after_ms = time.time_ns() // 1_000_000
    assert {(one.version, one.variant) for one in ids} == {(7, RFC_4122)}
    assert all(before_ms <= one.int >> 80 <= after_ms for one in ids)
    assert [one.int >> 80 for one in ids] == sorted(one.int >> 80 for one in ids)
    assert len(set(ids)) == len(ids)

"""No named point is left out of the tests."""

from pathlib import Path

from des.failpoints import Failpoint


def test_every_failpoint_is_hit_in_a_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [point for point in Failpoint if f"Failpoint.{point.name}" not in tests] == []

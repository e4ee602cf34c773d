"""The provider that counts: what it permits, refuses and remembers."""

import json

from bench.counting_provider import Counts


def request(name: str) -> bytes:
    return f"GET /v1/find?first_name={name}&last_name=doe&company=x.com HTTP/1.1\r\nhost: h".encode()


def test_it_refuses_what_is_above_a_window_and_counts_the_rest() -> None:
    counts = Counts([(2, 1.0), (3, 10.0)])
    said = [counts.answer(request("john"), now)[9:12] for now in (0.0, 0.5, 0.9, 1.0, 2.0, 10.0)]
    assert said == [b"200", b"200", b"429", b"200", b"429", b"200"]
    report = json.loads(counts.report([0, 3]))
    assert (report["requests"], report["refused"], report["at"]) == (4, 2, [0.0, 10.0])


def test_it_remembers_when_a_marked_person_was_asked_for_first() -> None:
    counts = Counts([])
    for name, now in (("john", 1.0), ("AloneA", 2.0), ("AloneA", 3.0)):
        counts.answer(request(name), now)
    assert json.loads(counts.report([]))["marked"] == {"AloneA": 2.0}

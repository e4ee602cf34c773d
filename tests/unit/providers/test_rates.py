"""When a vendor may be asked again, from whatever its headers say."""

import pytest
from pyreqwest.http import HeaderMap

from des.providers.dialects.rates import reopens_at
from des.providers.rate_headers import Window
from des.providers.transport import Reply

NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z
WINDOWS = (
    Window(60.0, "minute-left", "minute-reset"),
    Window(86_400.0, "day-left", "day-reset"),
    Window(3_600.0, "hour"),
)


@pytest.mark.parametrize(
    ("headers", "at"),
    [
        ({}, None),
        ({"retry-after": "9", "minute-left": "0", "minute-reset": "50"}, NOW + 9),
        ({"minute-left": "0", "minute-reset": "12.5"}, NOW + 12.5),
        ({"minute-left": "0", "minute-reset": "1790000030"}, NOW + 30),
        ({"minute-left": "0", "minute-reset": "2026-09-21T14:14:00Z"}, NOW + 40),
        ({"minute-left": "0", "minute-reset": "2026-09-21T14:14:00"}, NOW + 40),
        ({"minute-left": "0", "minute-reset": "Mon, 21 Sep 2026 14:14:00 GMT"}, NOW + 40),
        ({"minute-left": "0", "minute-reset": "2026-09-21T14:00:00Z"}, NOW),
        ({"minute-left": "0", "minute-reset": "soon"}, NOW + 60),
        ({"minute-left": "0"}, NOW + 60),
        ({"hour": "0"}, NOW + 3_600),
        ({"minute-left": "0", "minute-reset": "5", "day-left": "0", "day-reset": "700"}, NOW + 700),
        ({"minute-left": "3", "minute-reset": "5", "day-left": "0", "day-reset": "700"}, NOW + 700),
        ({"minute-left": "3", "minute-reset": "5"}, None),
        ({"minute-left": "{'minute': 0}", "minute-reset": "5"}, None),
        ({"minute-reset": "5", "day-reset": "700"}, NOW + 5),
        ({"day-left": "0", "day-reset": "999999"}, NOW + 86_400),
    ],
)
def test_headers_tell_when_every_spent_window_is_open_again(headers: dict[str, str], at: float | None) -> None:
    assert reopens_at(Reply(429, HeaderMap(headers), b""), WINDOWS, NOW) == at

"""Request templates and value paths: what they make of a contact, and what they refuse."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from des.config_providers import RequestConfig
from des.contact import Contact
from des.errors import ConfigError
from des.providers.paths import Path
from des.providers.request import MissingInput, Rendered, RequestTemplate

JOHN = Contact(first_name="John", last_name="Doe", company_name="sayprimer.com")


def rendered(contact: Contact, **config: Any) -> Rendered:
    return template(**config).render(contact)


def template(**config: Any) -> RequestTemplate:
    request = RequestConfig.model_validate({"url": "https://api.example/v1"} | config)
    return RequestTemplate(request, "providers.p.request", {"api_key": "k&y"})


def test_a_query_carries_what_is_there() -> None:
    query = {"first": "{first_name}", "country": "{country}", "at": "{domain,company_name}", "mode": "a b"}
    assert rendered(JOHN, query=query).url == "https://api.example/v1?mode=a%20b&first=John&at=sayprimer.com"


def test_a_query_joins_that_of_the_url() -> None:
    assert rendered(JOHN, url="https://api.example/v1?v=2", query={"f": "{first_name}"}).url.endswith("v1?v=2&f=John")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{first_name|lower}.{last_name|upper}", "john.DOE"),
        ("{{{first_name}}}", "{John}"),
        ("{name}", "John Doe"),
        ("{full_name , first_name}", "John"),
        ("{linkedin_handle}", ""),
        ("{api_key}", "k&y"),
        ("{name|urlencode}", "John%20Doe"),
    ],
)
def test_placeholders(text: str, value: str) -> None:
    body = rendered(JOHN, body={"text": text + ".", "last": True}).body
    assert body is not None
    assert msgspec.json.decode(body) == {"text": value + ".", "last": True}


def test_ascii_transliterates_any_script() -> None:
    contact = Contact(first_name="Łukasz", last_name="Шевченко")
    url = rendered(contact, url="https://api.example/{first_name|ascii|lower}/{last_name|ascii}").url
    assert url == "https://api.example/lukasz/Shevchenko"


def test_a_body_leaves_out_what_is_not_there_and_keeps_its_types() -> None:
    body = {"person": {"first": "{first_name}", "phone": "{phone}"}, "ids": ["{email}", 3, None], "note": ""}
    encoded = rendered(JOHN, method="POST", body=body).body
    assert encoded is not None
    assert msgspec.json.decode(encoded) == {"person": {"first": "John"}, "ids": [3, None], "note": ""}


def test_constant_headers_are_set_once_and_the_others_for_each_contact() -> None:
    made = template(
        headers={"Authorization": "Bearer {api_key}", "X-Name": "{first_name}", "X-Phone": "{phone}"}, body={}
    )
    assert made.headers == {"authorization": "Bearer k&y", "content-type": "application/json"}
    assert made.render(JOHN).headers == {"x-name": "John"}


def test_required_values_are_named_when_they_are_missing() -> None:
    made = template(query={"f": "{first_name!}", "d": "{domain,company_name!}"})
    made.render(JOHN)
    for contact, missing in (
        (Contact(first_name="John"), "domain or company_name"),
        (Contact(company_name="Say Primer"), "first_name"),
    ):
        with pytest.raises(MissingInput, match=f"^{missing}$"):
            made.render(contact)


@pytest.mark.parametrize(
    "config",
    [
        {"url": "https://api.example/{phone!}"},
        {"query": {"x": "tel:{phone!}"}},
        {"headers": {"x": "{phone!}"}},
        {"body": [{"a": "{phone!}"}]},
    ],
)
def test_what_is_required_is_so_everywhere(config: Any) -> None:
    with pytest.raises(MissingInput, match=r"^phone$"):
        rendered(JOHN, **config)


@given(st.text(max_size=30).filter(lambda text: text not in {"", ".", ".."}))
def test_a_contact_cannot_leave_its_place_in_a_url(name: str) -> None:
    contact = Contact(first_name=name, last_name=name)
    url = rendered(contact, url="https://api.example/v1/{last_name}/x", query={"f": "{first_name}", "fixed": "1"}).url
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "api.example", "")
    assert parts.path.count("/") == 3
    assert dict(parse_qsl(parts.query, keep_blank_values=True)) == {"fixed": "1", "f": name}


@pytest.mark.parametrize("name", [".", ".."])
def test_a_contact_cannot_climb(name: str) -> None:
    with pytest.raises(MissingInput, match=r"^last_name$"):
        rendered(Contact(last_name=name), url="https://api.example/v1/{last_name!}/x")


@pytest.mark.parametrize(
    ("config", "place", "remedy"),
    [
        ({"url": "api.example/v1"}, "request.url", "https://host/path"),
        ({"url": "https://{domain}/v1"}, "request.url", "behind it"),
        ({"query": {"f": "{first_name"}}, "request.query.f", "{{ or }}"),
        ({"query": {"f": "first_name}"}}, "request.query.f", "{{ or }}"),
        ({"query": {"f": "{}"}}, "request.query.f", "{first_name}"),
        ({"query": {"f": "{first name}"}}, "request.query.f", "{first_name}"),
        ({"query": {"f": "{firstname}"}}, "request.query.f", "first_name"),
        ({"headers": {"X": "{first_name|reverse}"}}, "request.headers.X", "lower, upper"),
        ({"headers": {"X": "{api_key,first_name}"}}, "request.headers.X", "alone"),
        ({"body": {"a": ["{nobody}"]}}, "request.body.a[0]", "first_name"),
    ],
)
def test_what_does_not_parse_is_refused_with_place_and_remedy(config: Any, place: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as refused:
        template(**config)
    assert refused.value.message.startswith(f"providers.p.{place}:")
    assert remedy in refused.value.message


def test_a_key_that_is_not_set_is_named() -> None:
    request = RequestConfig(url="https://api.example/", headers={"X-Key": "{api_key}"})
    with pytest.raises(ConfigError, match=r"request\.headers\.X-Key: .*no api_key is set"):
        RequestTemplate(request, "providers.p.request", {})


# ---- paths ----------------------------------------------------------------------------------------------------------

DOCUMENT = {"data": {"email": "a@b.example", "score": 97, "empty": None, "ok": True}, "emails": [{"value": "x"}, "y"]}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.email", "a@b.example"),
        ("data.score", 97),
        ("emails[0].value", "x"),
        ("emails[1]", "y"),
        ("emails[2]", None),
        ("emails.value", None),
        ("data[0]", None),
        ("data.email.more", None),
        ("data.empty", None),
    ],
)
def test_paths(path: str, value: object) -> None:
    assert Path(path, "place").read(DOCUMENT) == value


def test_a_path_may_begin_in_a_list() -> None:
    assert Path("[1].id", "place").read([{}, {"id": 7}]) == 7


def test_text_at_a_path_is_a_text_or_a_number() -> None:
    texts = [Path(path, "p").read_text(DOCUMENT) for path in ("data.email", "data.score", "data.ok", "data", "nowhere")]
    assert texts == ["a@b.example", "97", "", "", ""]


@pytest.mark.parametrize("path", ["", ".", "a..b", "a.", ".a", "a[b]", "a[", "a[1]b", "a b", "a[-1]", "$.a[*]"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match=r"^providers\.p\.values\.email\.path: "):
        Path(path, "providers.p.values.email.path")

"""One question as one HTTP request: the templates of `RequestConfig`, compiled."""

from collections.abc import Mapping

import msgspec

from des.config_problems import Problems
from des.config_providers import RequestConfig
from des.contact import Contact
from des.errors import ConfigError, TerminalError
from des.providers.template import NO_TEXT, Body, Text, Within, encode


class Rendered(msgspec.Struct, frozen=True, gc=False):
    """A request ready to be sent."""

    url: str
    headers: dict[str, str] | None
    body: bytes | None


class MissingInput(TerminalError):
    """The contact lacks a value that the request needs; the message names it (`first_name`, `domain or company_name`).

    Never leaves the provider: it becomes the outcome `invalid_input`.
    """

    reason = "MISSING_INPUT"


class RequestTemplate:
    """Makes requests from contacts. Raises ConfigError, naming `place` and the remedy, for what does not parse.

    `headers` are the constant ones: they go with every request, and are not in what `render` returns.
    """

    def __init__(self, config: RequestConfig, place: str, constants: Mapping[str, str]) -> None:
        """Take the description, where it stands in the settings, and the placeholders known now (`api_key`)."""
        problems = Problems()

        def compiled(text: str, where: str, within: Within = Within.PLAIN) -> Text:
            return problems.of(lambda: Text(text, f"{place}.{where}", constants, within), NO_TEXT)

        problems.of(lambda: _check_url(config.url, f"{place}.url"), None)
        self.method = config.method
        self._url = compiled(config.url, "url", Within.URL)
        query = {encode(key): compiled(text, f"query.{key}", Within.QUERY) for key, text in config.query.items()}
        headers = {key.lower(): compiled(text, f"headers.{key}") for key, text in config.headers.items()}
        body = config.body
        self._body = None if body is None else problems.of(lambda: Body(body, f"{place}.body", constants), None)
        problems.raise_any()
        self.headers = {key: text.constant for key, text in headers.items() if text.constant is not None}
        if self._body is not None:
            self.headers.setdefault("content-type", "application/json")
        self._headers = {key: text for key, text in headers.items() if text.constant is None}
        self._fixed = [f"{key}={text.constant}" for key, text in query.items() if text.constant is not None]
        varying = [(key, text) for key, text in query.items() if text.constant is None]
        self._query = [(f"{key}=", text.render, _needs(text)) for key, text in varying]
        self._joint = "&" if "?" in config.url else "?"
        # A parameter that is one placeholder is checked as it is rendered; the rest of what is required before.
        texts = [self._url, *headers.values(), *[text for _, text in varying if not _needs(text)]]
        holes = [hole for text in texts for hole in text.placeholders] + list(
            self._body.placeholders if self._body else ()
        )
        self._required = [hole for hole in holes if hole.required]

    def render(self, contact: Contact) -> Rendered:
        """The request for a contact. Raises MissingInput where the contact lacks what is required."""
        for hole in self._required:
            if not hole.read(contact):
                raise MissingInput(hole.label)
        url = self._url.constant or self._url.render(contact)
        query = list(self._fixed)
        for key, read, needs in self._query:
            value = read(contact)
            if value:
                query.append(key + value)
            elif needs:
                raise MissingInput(needs)
        if query:
            url += self._joint + "&".join(query)
        headers = None
        if self._headers:
            headers = {key: value for key, text in self._headers.items() if (value := text.render(contact))}
        return Rendered(url, headers, self._body.render(contact) if self._body else None)


def _needs(text: Text) -> str:
    """Label of the required placeholder that is the whole text, or ""."""
    return text.placeholders[0].label if text.is_one_placeholder and text.placeholders[0].required else ""


def _check_url(url: str, place: str) -> None:
    scheme, _, rest = url.partition("://")
    if scheme not in {"http", "https"} or not rest:
        raise ConfigError.at(place, f"{url!r} is no address; write https://host/path")
    if "{" in rest.partition("/")[0]:
        raise ConfigError.at(place, f"the host of {url!r} must not depend on a contact; placeholders go behind it")

"""Every reason code in words: where it is met, what it means, what to do. `docs/errors.md` is made of it.

Statuses are not here: they are those of `des.surface`. `tests/unit/test_reasons.py` holds the codes to those in des/.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from des import limits


class Reason(NamedTuple):
    """`met`: GRPC and HTTP where it comes with a status there, and the other places by their names."""

    met: tuple[str, ...]
    meaning: str
    remedy: str


GRPC: Final = "gRPC"
HTTP: Final = "HTTP"
REJECTED: Final = "rejected"
QUARANTINE: Final = "quarantine"
_EVERYWHERE: Final = (GRPC, HTTP, REJECTED, QUARANTINE)
_JSON: Final = (HTTP, QUARANTINE)
_PUSH: Final = ("`des push`", "`des quote`")
_IMPORT: Final = ("`des directory import`",)

_UNREADABLE: Final = {
    "EMPTY_BODY": Reason(
        (HTTP, REJECTED, QUARANTINE),
        "there is nothing in the body, or no batch in the message",
        "send a batch; to PATCH, what is to change",
    ),
    "MALFORMED_JSON": Reason(
        _JSON, "the body is no JSON, or not in UTF-8", "send JSON in UTF-8; the message says where it is not"
    ),
    "MALFORMED_PROTOBUF": Reason(
        (GRPC, REJECTED, QUARANTINE),
        "the bytes are not the message (`ContactBatch`, a set, a request), or a text in them is no UTF-8",
        "encode it by `proto/des/v1`",
    ),
    "MALFORMED_ENCODING": Reason(
        (HTTP,),
        "the body does not unpack as its `Content-Encoding` says; of a file: it is not in UTF-8",
        "pack it anew or send it plain; save the file as UTF-8",
    ),
    "TOO_DEEP": Reason(
        _JSON,
        f"the JSON is nested deeper than {limits.JSON_DEPTH_MAX} levels",
        "send the form that `/openapi.json` describes",
    ),
    "TOO_LARGE": Reason(
        _JSON,
        "it has more bytes than are taken; the message says how many",
        "send less, such as smaller batches of the same ERID",
    ),
    "UNKNOWN_CONTENT_TYPE": Reason(
        _JSON,
        "the content type is none that is taken",
        "send `application/json` in UTF-8; by AMQP `application/x-protobuf` is taken too",
    ),
    "UNKNOWN_CONTENT_ENCODING": Reason(
        _JSON, "the body is packed, and not by gzip or deflate in HTTP", "send it plain, or packed so by HTTP"
    ),
    "METHOD_NOT_ALLOWED": Reason((HTTP,), "the path does not take this method", "`Allow` names those that it takes"),
    "BAD_REQUEST": Reason(
        (HTTP,), "aiohttp refuses the request for a reason that has no code here", "read `detail`, which is aiohttp's"
    ),
}

_INVALID: Final = {
    "INVALID_ERID": Reason(_EVERYWHERE, "the ERID is missing or no UUID", "send a UUID other than the nil one"),
    "INVALID_BATCH_ID": Reason(
        _EVERYWHERE, "the batch id is no UUID", "send a UUID other than the nil one, or leave it out"
    ),
    "EMPTY_BATCH": Reason(_EVERYWHERE, "the batch has no contact, or the set no batch", "send at least one"),
    "TOO_MANY_CONTACTS": Reason(
        _EVERYWHERE,
        f"the batch has more than {limits.BATCH_CONTACTS_MAX:,} contacts",
        "send more of them as further batches of the same ERID",
    ),
    "EMPTY_CONTACT": Reason(
        _EVERYWHERE, "a contact names nobody", "give it a name, an email, a phone or a linkedin_url"
    ),
    "INVALID_COUNTRY": Reason(
        _EVERYWHERE, "`country` has not the form of a code", "send two letters of ISO 3166-1, such as DE"
    ),
    "INVALID_TEXT": Reason(
        _EVERYWHERE,
        "a text has a control character, or half of a surrogate pair",
        "send well-formed Unicode, of controls only tabs and line ends",
    ),
    "TEXT_TOO_LONG": Reason(
        _EVERYWHERE,
        f"a text has more than {limits.CONTACT_TEXT_CHARS_MAX:,} characters, or a contact more than "
        f"{limits.CONTACT_BYTES_MAX // limits.KIB} KiB of text",
        "shorten it",
    ),
    "NO_FIELDS": Reason(_EVERYWHERE, "no field is asked for", "ask for some, such as professional_email"),
    "TOO_MANY_FIELDS": Reason(
        _EVERYWHERE, f"more than {limits.FIELDS_PER_BATCH_MAX} fields are asked for", "ask for fewer"
    ),
    "UNKNOWN_FIELD": Reason(
        _EVERYWHERE,
        "a field that is asked for is not configured",
        "ask for one that the message names, or configure it ([providers.md](providers.md))",
    ),
    "INVALID_OPTION": Reason(
        _EVERYWHERE,
        "an option is out of its range, or `update_mask` does not fit the options",
        "do as the message says",
    ),
    "INVALID_PART": Reason(
        (GRPC, REJECTED, QUARANTINE),
        "the batch says that it is a part of one, which DES alone makes",
        "send the batch whole, without `parts`",
    ),
    "UNKNOWN_KEY": Reason(_JSON, "the JSON has a key that is not known", "leave it out; the place names those known"),
    "DUPLICATE_KEY": Reason(_JSON, "a key of the JSON stands twice", "send it once"),
    "WRONG_TYPE": Reason(_JSON, "a value of the JSON has not the right type", "send what the place asks for"),
    "UNKNOWN_PARAMETER": Reason(
        (HTTP,), "the query has a parameter that the route does not take", "leave it out; the place names those taken"
    ),
    "INVALID_PARAMETER": Reason(
        (HTTP,), "a parameter of the query is wrong, or stands twice", "send what the place asks for, once"
    ),
    "INVALID_PAGE_SIZE": Reason((GRPC,), "`page_size` is below 0", "send 0 for the usual size, or more"),
    "INVALID_PAGE_TOKEN": Reason(
        (GRPC, HTTP),
        "`page_token` is not one of this list",
        "send `next_page_token` of the page before, or leave it out",
    ),
    "TOO_MANY_REJECTED": Reason(
        (GRPC,),
        "more batches of one PushContacts are refused than its answer can name",
        "use StreamContacts, which answers for each",
    ),
}

_CONFLICTING: Final = {
    "NOT_FOUND": Reason(
        (GRPC, HTTP),
        "there is no such path, row or call, or nothing of the ERID yet",
        "look at what was named; an ERID is there once it was created or a batch of it accepted",
    ),
    "BATCH_CONFLICT": Reason(
        (REJECTED, QUARANTINE),
        "the batch id came before with other content, which stands",
        "give the batch an id of its own, or none",
    ),
    "CONFLICTING_OPTIONS": Reason(
        (GRPC, HTTP, QUARANTINE),
        "the ERID has other options",
        "send none or the same; PATCH, UpdateEnrichment and `des update` change them",
    ),
    "ENRICHMENT_CANCELLED": Reason(
        (GRPC, HTTP), "the enrichment is cancelled, so its options stay as they are", "use another ERID"
    ),
}

_AWAY: Final = {
    "OVERLOADED": Reason(
        (GRPC, HTTP), "DES or RabbitMQ takes nothing more for the moment", "send the same again after the time given"
    ),
    "BROKER_UNAVAILABLE": Reason(
        (GRPC, HTTP),
        "RabbitMQ is away, or has not confirmed in time",
        "send the same again: what had arrived is a duplicate",
    ),
    "STORE_UNAVAILABLE": Reason(
        (GRPC, HTTP), "Postgres is away, or has no room or lock to give", "send the same again"
    ),
    "COMMIT_UNKNOWN": Reason(
        (GRPC, HTTP),
        "Postgres went away in a commit, which may have landed",
        "send the same again: to repeat changes nothing",
    ),
    "UNAVAILABLE": Reason(
        (GRPC, HTTP),
        f"DES is stopping, or the request was not done within {limits.REQUEST_DEADLINE_S:g} s",
        "send the same again, to another process or in a moment",
    ),
    "INTERNAL": Reason((GRPC, HTTP), "a fault of DES", "report it with the log event `request_failed`"),
}

_WEBHOOKS: Final = {
    "SIGNATURE_MISSING": Reason((HTTP,), "the delivery is not signed", "have the vendor sign what it delivers"),
    "SIGNATURE_WRONG": Reason(
        (HTTP,),
        "the signature is not that of this body under the configured key",
        "compare `api_key` of the provider with the vendor's",
    ),
    "BODY_UNREADABLE": Reason(
        (HTTP,), "it is signed rightly, and not in the form that the vendor documents", "report it with the body"
    ),
}

_QUARANTINE_ONLY: Final = {
    "ENRICHMENT_SEALED": Reason(
        (QUARANTINE,),
        "the batch came after its ERID was sealed or cancelled, or a part of it after that had ended",
        "send its contacts under another ERID",
    ),
    "UNKNOWN_MESSAGE_TYPE": Reason(
        (QUARANTINE,),
        "the `type` of the AMQP message is none that is taken with its content type",
        "leave it out, or set it as [messages.md](messages.md) says",
    ),
    "UNSTORABLE": Reason(
        (QUARANTINE,),
        "Postgres refuses the row of a contact, whose fields end as failed",
        "report it; `des quarantine show` has the row",
    ),
    "STORED_BATCH_UNREADABLE": Reason(
        (QUARANTINE,),
        "what Postgres holds of an accepted batch is not what DES has put there; its contacts end as failed",
        "look after the disk; push its contacts again in a batch of its own id",
    ),
}

_COMMANDS: Final = {
    "USAGE": Reason(("any command",), "the command line is wrong", "read `--help` of the command; the exit code is 2"),
    "INVALID_CONFIGURATION": Reason(
        ("commands that read settings",),
        "a setting is wrong, or a server or an address cannot be used as it says",
        "mend the places that are named; `des config check` looks again",
    ),
    "SCHEMA_MISMATCH": Reason(
        ("`des serve`", "`des migrate`"),
        "the schema of the database is older or newer than this version's, or a migration has failed",
        "run `des migrate`; where it is newer, run the version that made it",
    ),
    "FOLDER_IN_USE": Reason(
        ("`des dev`",), "another stack runs in this folder", "stop that one, or give this one a `--data-dir`"
    ),
    "NOT_RETRYABLE": Reason(
        ("`des quarantine retry`",),
        "the row was refused after acceptance, and holds no message that came",
        "push its contacts again",
    ),
    "CALL_NOT_HELD": Reason(
        ("`des audit resolve`",), "the call has ended, or waits for its answer", "`des audit` lists those that are held"
    ),
    "CHARGED_TOO_MUCH": Reason(
        ("`des audit resolve`",),
        "`--charged` says more than was reserved for the call",
        "look again; with `--beyond-reserved` it is taken",
    ),
}

_FILES: Final = {
    "EMPTY_FILE": Reason(_PUSH, "there is nothing in the file", "give it at least one contact"),
    "INVALID_DOCUMENT": Reason(
        _PUSH,
        "the JSON has not the form of `POST /v1/enrichments`",
        "mend the place that is named, or send JSON Lines",
    ),
    "MALFORMED_CSV": Reason(_PUSH, "a line is no CSV", "close its quotes"),
    "NO_KNOWN_COLUMN": Reason(
        _PUSH, "no column is one of a contact's", "name columns as the message does, such as first_name"
    ),
    "AMBIGUOUS_COLUMN": Reason(_PUSH, "two columns mean the same", "rename one of them"),
    "TOO_MANY_CELLS": Reason(_PUSH + _IMPORT, "a row has more cells than the header", "quote cells with a delimiter"),
    "INVALID_CONTACT": Reason(_PUSH, "a line of JSON Lines is no contact", "send an object of texts in each line"),
    "NO_COLUMNS": Reason(_IMPORT, "there is no column for the name, or none for a value", "add what the message names"),
    "BAD_UTF8": Reason(_IMPORT, "a row is not in UTF-8", "save the file as UTF-8"),
    "MALFORMED": Reason(_IMPORT, "a row is no CSV, or a cell is too long", "close its quotes"),
    "NO_NAME": Reason(_IMPORT, "a row names nobody", "give it first and last name, or the full name"),
    "NO_COMPANY": Reason(_IMPORT, "nothing in a row tells the company", "give it a company or a domain"),
    "NO_VALUE": Reason(_IMPORT, "a row says nothing of its person", "give it an address, a number or another value"),
    "TOO_LONG": Reason(_IMPORT, "a name, or a company, is longer than any is", "shorten it"),
    "DUPLICATE": Reason(_IMPORT, "the person stands in an earlier line, which counts", "leave one of the lines out"),
    "INVALID_VALUE": Reason(
        _IMPORT, "one value has not the form of its kind; the rest of the row is taken", "mend the value"
    ),
}

GROUPS: Final[Mapping[str, Mapping[str, Reason]]] = {
    "What was sent cannot be read": _UNREADABLE,
    "What was sent is not valid": _INVALID,
    "What was sent conflicts with what is there": _CONFLICTING,
    "DES is busy, something is away, or DES is at fault": _AWAY,
    "Webhooks, where vendors deliver": _WEBHOOKS,
    "Quarantine only": _QUARANTINE_ONLY,
    "The command line only": _COMMANDS,
    "Files, before anything is sent": _FILES,
}
"""Title → code → what is to be said of it."""

REASONS: Final[Mapping[str, Reason]] = {code: one for group in GROUPS.values() for code, one in group.items()}

"""Writes the tables of the pages in docs/: `python -m tests.acceptance.operations_reference`.

A table stands between `<!-- table NAME -->` and `<!-- end -->`; the words around it are written by hand.
"""

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
from prometheus_client.core import Metric
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from des import errors
from des.app import build
from des.config import Settings
from des.config_environment import variable
from des.config_providers import ProviderConfig, ProviderLimits, Rate
from des.contact import TENANT_DEFAULT
from des.errors import DesError, InvalidInput
from des.providers.dialects import (
    apollo,
    dropcontact_results,
    fullenrich_results,
    hunter,
    phone_jobs,
    prospeo,
)
from des.sandbox.faults import MEANINGS, Fault
from des.surface import problem_json, surface_of
from des.telemetry import Measure
from des.wire import decode_json
from tests.acceptance.reasons import GROUPS, GRPC, HTTP, QUARANTINE, Reason

DOCS = Path(__file__).parents[2] / "docs"
PAGES = (DOCS / "operations.md", DOCS / "providers.md", DOCS / "sandbox.md", DOCS / "errors.md")

_MARKED = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_STAGES = ("ingest", "publish", "accept", "work", "commit", "relay", "serve")


def page(path: Path) -> str:
    """Return a page with its tables as the code has them now."""
    made = tables()
    return _MARKED.sub(lambda found: f"{found[1]}\n{made[found[2]]}\n{found[3]}", path.read_text(encoding="utf-8"))


def tables() -> Mapping[str, str]:
    """Make every table, by name."""
    return {
        "settings": _settings(),
        "metrics": _metrics(),
        "providers": _providers(),
        "confidence": _confidence(),
        "faults": _faults(),
        "reasons": _reasons(),
        "problem": _problem(),
    }


# ---- settings --------------------------------------------------------------------------------------------


def _settings() -> str:
    head = "| setting | variable | default | |\n|---|---|---|---|\n"
    rows = [f"| `{'.'.join(path)}` | `{variable(path)}` | {default} | {says} |" for path, default, says in _leaves()]
    return head + "\n".join(rows) + "\n"


def _leaves(model: type[BaseModel] = Settings, path: tuple[str, ...] = ()) -> Iterator[tuple[list[str], str, str]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _leaves(field.annotation, (*path, name))
        else:
            yield [*path, name], _default(field), _cell(field.description or "")


def _default(field: FieldInfo) -> str:
    match field.default:
        case value if value is PydanticUndefined:
            return "must be set"
        case SecretStr() | "" | None | ():
            return "none"
        case dict() as value:
            return ", ".join(f"`{name}`" for name in value) or "none"
        case tuple() as value:
            return ", ".join(f"{one.count} in {one.per_s:g} s" for one in value)
        case value:
            return f"`{json.dumps(value) if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# ---- metrics ---------------------------------------------------------------------------------------------


def _metrics() -> str:
    """Describe what a process with every role shows; what is in the code's table and not watched is left out."""
    shown = {name: metric for metric in registered() for name in (metric.name, f"{metric.name}_total")}
    head = "| metric | kind | labels | |\n|---|---|---|---|\n"
    rows = [
        f"| `{row.name}` | {row.kind} | {_labels(row.labels, shown[row.name])} | {_cell(row.help)} |"
        for row in (measure.value for measure in Measure)
        if row.name in shown
    ]
    return head + "\n".join(rows) + "\n"


def registered() -> list[Metric]:
    """What a process with every role shows before it has done anything."""
    settings = Settings(database_url=SecretStr("postgresql://nobody"), amqp_url=SecretStr("amqp://nobody/"))
    return list(build(settings).telemetry.registry.collect())


def _labels(labels: tuple[str, ...], metric: Metric) -> str:
    """Name the labels, and of stages and outcomes those that there are from the start."""
    stages = [stage for stage in _STAGES if any(sample.labels.get("stage") == stage for sample in metric.samples)]
    outcomes = sorted({sample.labels["outcome"] for sample in metric.samples if "outcome" in sample.labels})
    seen = {"stage": stages, "outcome": outcomes}
    return ", ".join(f"`{name}`" + (f" ({', '.join(seen[name])})" if seen.get(name) else "") for name in labels)


# ---- providers -------------------------------------------------------------------------------------------


def _providers() -> str:
    """Describe the kinds, each with its settings."""
    kinds = sorted(get_args(get_args(ProviderConfig)[0]), key=_kind_name)
    return "\n".join([_model("every kind", ProviderLimits), *map(_kind, kinds)])


def _kind_name(model: type[BaseModel]) -> str:
    (name,) = get_args(model.model_fields["kind"].annotation)
    return str(name)


def _kind(model: type[BaseModel]) -> str:
    """Describe a kind and the tables within it."""
    parts = [_model(f"`{_kind_name(model)}`", model)]
    for name, field in model.model_fields.items():
        parts += [_model(f"`{path}`", inner, "####") for path, inner in _inner(name, field.annotation)]
    return "\n".join(parts)


def _inner(path: str, annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """Tables that stand within a setting, by their path."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation is Rate:
            return
        yield path, annotation
        for name, field in annotation.model_fields.items():
            yield from _inner(f"{path}.{name}", field.annotation)
        return
    of_field = ".FIELD" if get_origin(annotation) is dict else ""
    for one in get_args(annotation):
        yield from _inner(path + of_field, one)


def _model(title: str, model: type[BaseModel], level: str = "###") -> str:
    lines = [f"{level} {title}", "", inspect.cleandoc(model.__doc__ or ""), "", "| setting | default |", "|---|---|"]
    for name, field in model.model_fields.items():
        same = ProviderLimits.model_fields.get(name) if model is not ProviderLimits else None
        if name != "kind" and (same is None or field.default != same.default):
            lines.append(f"| `{name}` | {_default(field)}{_choices(field)} |")
    return "\n".join(lines) + "\n"


def _choices(field: FieldInfo) -> str:
    """What a setting may be where that is one of a few words."""
    if get_origin(field.annotation) is not Literal:
        return ""
    return "; one of " + ", ".join(f"`{one}`" for one in get_args(field.annotation))


# ---- vendors ---------------------------------------------------------------------------------------------


def _confidence() -> str:
    """Describe how each vendor's word becomes a confidence, by the numbers of its dialect."""
    rows = [
        ("hunter", "`score` of 100", "score / 100"),
        ("hunter", "an address it has verified as `valid`", f"at least {hunter.CONFIDENCE_VALID_MIN}"),
        ("hunter", "an address it has verified as `invalid`", f"at most {hunter.CONFIDENCE_INVALID_MAX}"),
        ("pdl", "`likelihood` of 1 to 10 that this is the person", "likelihood / 10"),
        ("apollo", "`verified`", apollo.CONFIDENCE_VERIFIED),
        ("apollo", "`bounced`", apollo.CONFIDENCE_INVALID),
        ("apollo", "an address in any other state", apollo.CONFIDENCE_OTHER),
        ("apollo", "profile, title", apollo.CONFIDENCE_PROFILE),
        ("apollo", "phone number", phone_jobs.CONFIDENCE_PHONE),
        ("prospeo", "address `VERIFIED`", prospeo.CONFIDENCE_EMAIL["valid"]),
        ("prospeo", "address `UNVERIFIED`, or without a word", prospeo.CONFIDENCE_EMAIL_OTHER),
        ("prospeo", "mobile number `VERIFIED`", prospeo.CONFIDENCE_PHONE_VERIFIED),
        ("prospeo", "mobile number without a word", prospeo.CONFIDENCE_PHONE_OTHER),
        ("dropcontact", "`nominative`", dropcontact_results.CONFIDENCE_EMAIL["valid"]),
        ("dropcontact", "`catch_all`", dropcontact_results.CONFIDENCE_EMAIL["catch_all"]),
        ("dropcontact", "an address of another kind", dropcontact_results.CONFIDENCE_EMAIL_OTHER),
        ("dropcontact", "profile", dropcontact_results.CONFIDENCE_LINKEDIN),
        ("dropcontact", "mobile number", dropcontact_results.CONFIDENCE_MOBILE),
        *[("fullenrich", f"`{word}`", sure) for word, sure in fullenrich_results.CONFIDENCE_EMAIL.items()],
        ("fullenrich", "an address in any other state but `INVALID`", fullenrich_results.CONFIDENCE_EMAIL_OTHER),
        ("fullenrich", "phone number", fullenrich_results.CONFIDENCE_PHONE),
        ("http", "what stands at `confidence_path`", "divided by `confidence_scale`, else `confidence`"),
    ]
    head = "| vendor | says | confidence |\n|---|---|---|\n"
    return head + "\n".join(f"| `{vendor}` | {says} | {sure} |" for vendor, says, sure in rows) + "\n"


def _faults() -> str:
    """Describe every fault of the sandbox."""
    return "| fault | |\n|---|---|\n" + "\n".join(f"| `{fault.value}` | {MEANINGS[fault]} |" for fault in Fault) + "\n"


# ---- errors ----------------------------------------------------------------------------------------------


def _reasons() -> str:
    """Describe every reason code, group by group."""
    return "\n".join(f"### {title}\n\n{_group(reasons)}" for title, reasons in GROUPS.items())


def _group(reasons: Mapping[str, Reason]) -> str:
    """Describe the codes of a group; a column that says nothing of any of them is left out."""
    surfaces = {code: surface_of(_error(code)) for code in reasons}
    has_status = any({GRPC, HTTP} & {*one.met} for one in reasons.values())
    is_sent = any({GRPC, HTTP, QUARANTINE} & {*one.met} for one in reasons.values())
    table = {
        "reason": [f"`{code}`" for code in reasons],
        "gRPC": [surfaces[code].grpc_status.name if GRPC in one.met else "" for code, one in reasons.items()],
        "HTTP": [str(surfaces[code].http_status) if HTTP in one.met else "" for code, one in reasons.items()],
        "also" if has_status else "where": [", ".join(_beside_doors(one)) for one in reasons.values()],
        "again": [("yes" if surfaces[code].retryable else "no") if is_sent else "" for code in reasons],
        "it means": [one.meaning for one in reasons.values()],
        "do": [one.remedy for one in reasons.values()],
    }
    table = {title: cells for title, cells in table.items() if any(cells)}
    head = f"| {' | '.join(table)} |\n|{'---|' * len(table)}\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in zip(*table.values(), strict=True))


def _beside_doors(reason: Reason) -> list[str]:
    return [place for place in reason.met if place not in {GRPC, HTTP}]


def _error(code: str) -> DesError:
    """Make an error of this code: of the class that has it, else what was sent is refused with it."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DesError)]
    kind = next((kind for kind in kinds if kind.reason == code), None)
    return kind() if kind is not None else InvalidInput(code, code)


def _problem() -> str:
    """Show what HTTP answers to a batch with one wrong place."""
    contact = {"first_name": "John", "last_name": "Doe", "company_name": "sayprimer.com", "country": "Germany"}
    erid, fields = "3c3f4b80-f728-4d7c-8567-1bc01df5f0a1", ["professional_email"]
    batch = {"erid": erid, "contact_list": [contact], "fields_to_be_enriched": fields}
    try:
        decode_json(json.dumps(batch).encode(), TENANT_DEFAULT, frozenset(fields))
    except InvalidInput as refused:
        body = problem_json(refused)[2]
        return f"```json\n{msgspec.json.format(body).decode()}\n```\n"
    raise AssertionError("a country that is no code was taken")


if __name__ == "__main__":
    for one in PAGES:
        one.write_text(page(one), encoding="utf-8")

"""The table of commands: what `des` can do, in the order in which a newcomer needs it."""

import typer

from des.cli import (
    audit,
    config,
    demo,
    dev,
    directory,
    enrichment,
    migrate,
    push,
    quarantine,
    quote,
    sandbox,
    serve,
    update,
)

_RUN = "Run it"
_USE = "Use it"
_CARE = "Look after it"


def application() -> typer.Typer:
    """Put the command line together."""
    app = _group("Data Enrichment Service: contacts in, one enriched object out, exactly once, within budget.")
    app.command("demo", rich_help_panel=_RUN)(demo.demo)
    app.command("dev", rich_help_panel=_RUN)(dev.dev)
    app.command("serve", rich_help_panel=_RUN)(serve.serve)
    app.command("sandbox", rich_help_panel=_RUN)(sandbox.sandbox)
    app.command("push", rich_help_panel=_USE)(push.push)
    app.command("quote", rich_help_panel=_USE)(quote.quote)
    app.command("watch", rich_help_panel=_USE)(enrichment.watch)
    app.command("results", rich_help_panel=_USE)(enrichment.results)
    app.command("update", rich_help_panel=_USE)(update.update)
    app.command("seal", rich_help_panel=_USE)(enrichment.seal)
    app.command("cancel", rich_help_panel=_USE)(enrichment.cancel)
    app.command("migrate", rich_help_panel=_CARE)(migrate.migrate)
    app.add_typer(_audit(), name="audit", rich_help_panel=_CARE)
    app.add_typer(_quarantine(), name="quarantine", rich_help_panel=_CARE)
    app.add_typer(_directory(), name="directory", rich_help_panel=_CARE)
    app.add_typer(_config(), name="config", rich_help_panel=_CARE)
    return app


def _audit() -> typer.Typer:
    group = _group(audit.audit.__doc__ or "")
    group.callback(invoke_without_command=True)(audit.audit)
    group.command("resolve")(audit.resolve)
    return group


def _quarantine() -> typer.Typer:
    group = _group("What could not be accepted, with the reason: look, send again, or let go.")
    group.command("list")(quarantine.list_)
    group.command("show")(quarantine.show)
    group.command("retry")(quarantine.retry)
    group.command("discard")(quarantine.discard)
    return group


def _directory() -> typer.Typer:
    group = _group("Your own people, whom the `directory` and `email_pattern` providers know.")
    group.command("import")(directory.import_)
    group.command("stats")(directory.stats)
    return group


def _config() -> typer.Typer:
    group = _group("The settings as the service would take them.")
    group.command("show")(config.show)
    group.command("check")(config.check)
    return group


def _group(help_: str) -> typer.Typer:
    return typer.Typer(help=help_, pretty_exceptions_enable=False, add_completion=False)

"""The composition root: the one place that names every concrete part and puts them together, downstream first.

    relay ◀─ committer ◀─ engine ◀─ acceptor ◀─ broker ◀─ intake ◀─ doors          what each needs is started before it

A process has roles. `worker` accepts from the broker, works and commits the partitions it holds; `relay` publishes
events; `serving` reads; `ingest` takes contacts in. One process with all of them is a whole DES; further ones are
started beside it and share the work by lease.

`build` makes the parts and starts nothing; `App` is a Service. Read in order: `assembly` (the parts of each role),
`providers` (from settings to providers), `metrics` (what is watched).
"""

from des.app.assembly import App, Role, build

__all__ = ["App", "Role", "build"]

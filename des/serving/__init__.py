"""Stage 8: the object of each ERID, read and steered by gRPC and HTTP, as a whole, as a stream and as it changes.

    servicer.py  EnrichmentService              http.py      /v1/enrichments…, one handler a route
    server.py    the HTTP listener              middleware.py, query.py, health.py, openapi.py beside it
    document.py  the object as JSON             message.py   the object as protobuf
    results.py   finished contacts in groups    formats.py   as ndjson and csv          sse.py  events of one object
    watcher.py   one poll for all that is watched             paging.py  page tokens

Guarantees: a page is of one moment (a REPEATABLE READ snapshot). A stream of results has each contact that was finished
when it began exactly once, and with `follow` each that finishes later. A watcher sees the last state of the object,
and may miss states in between. No database connection is held while a client is being written to, so a client that
reads slowly costs its own memory of one page, and one that leaves costs nothing.

Failures: Postgres away is StoreUnavailable on each call and a pause for watchers; a client that takes nothing for
WRITE_DEADLINE_S is let go; a stop ends watchers and followers with an error that says to come again.
"""

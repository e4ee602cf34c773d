"""DES, the Data Enrichment Service: contacts go in, providers are asked, one object an ERID comes out.

    RabbitMQ carries. Postgres decides. Actors work.

Follow one batch, in the order of reading and of the data:

    wire       protobuf and JSON to contacts, with the identity that makes a resend a duplicate
    ingest     1  the doors (gRPC, HTTP) and the intake behind them; OK means the broker has confirmed
    broker     2  quorum queues, one for all and one for small batches of the doors; confirms and acks
    actors     3  accept: rows first, then the ack   4  an aggregator for each ERID with work
    providers  5  the waterfall of each field, and the one way to each provider
    store      6  accept, commit, leases, quarantine: every statement named, every decision in a transaction
    outbox     7  what was committed is announced, at least once, under the same id
    serving    8  the object, its results and its news, read from Postgres

`app` puts the parts together, `cli` runs them. Beneath all of them: `contact` (values), `errors` (one root, a reason
code for every surface), `limits` (every bound), `config`, `telemetry`, `lifecycle`. Beside them: `sandbox` (vendors
to rehearse with), `stack` (private servers), `testing` (conformance suites), `client`.
"""

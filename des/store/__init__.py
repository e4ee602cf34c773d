"""6  store: Postgres decides. asyncpg lives here and nowhere else; every statement stands in a `.sql` file, by name.

- `contract`, `reading`  what the stages see: values and protocols
- `postgres`    the pool, transactions, and what asyncpg's errors mean
- `accept`      a group of batches becomes rows, duplicates or quarantine
- `work`        open batches for the actors: loaded, found after a restart, counted
- `commit`      contact rows, progress and events of a group, under the leases' epochs
- `leases`      who works which partition; `notices` what workers tell each other
- `outbox`, `quarantine`, `directory`, `serving`  the other tables, each with its own statements
- `held_directory`  small directories in memory: `people_reader` reads one whole, `held_people` is what it makes of it
- `migrate`, `schema`  the way from one version's tables to the next

Guarantee. One transaction a group, however large, and every statement set-based and by key. What is counted is counted
in the transaction that makes it so. A group may always be written again: natural keys make a second time a no-op, which
is the answer to a COMMIT whose reply was lost.

Failures. `StoreUnavailable`: try again. `CommitUnknown`: it may have landed, try again. `Unstorable`: a value that
Postgres will never take. `SchemaMismatch`: migrate first.
"""

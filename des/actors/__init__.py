"""3-4 and 6  actors: from an accepted delivery to a committed row.

    acceptor ─▶ router ─▶ aggregator (one per ERID) ⇄ scheduler, loader, dispatchers ─▶ committer
                  ▲                                                                        │
              leases, recovery, supervisor ◀──────────── lost, dirty, failed, stale ───────┘

Role. `acceptor` writes what arrived and acks. `router` keeps an aggregator for every ERID that has work, only in
partitions whose lease this worker holds. An `aggregator` is a shell around an `aggregate`, which is pure: mail in,
effects out. `scheduler` lets contacts into work, tenants and ERIDs in turn; `loader` reads what memory had no room for;
`committer` writes what finished, from all of them, in one transaction.

Guarantee. Whatever is accepted ends once, in a named state. An aggregator may die at any moment: all it knows is in
Postgres, and `recovery` finds it there. Two workers never work one ERID: the lease says who may, its epoch is
checked by the commit. Memory is a window: contacts in work, contacts held and aggregators alive are bounded
(`limits`).

States of an aggregator. absent ─work─▶ alive ─nothing left─▶ passivated (absent); alive ─turn raised─▶ dead ─▶ rebuilt;
alive ─lease lost, commit refused─▶ dead, another worker's.

Failures. A turn that raises ends that aggregator only (`supervisor`); Postgres away: accept, load and commit wait
and go on; a unit that Postgres refuses is found by halving and quarantined, its neighbours commit.
"""

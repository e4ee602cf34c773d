"""Every bound of the service, with its unit, and what has to hold between them.

A bound that an operator may want to move is a setting (`config.py`) whose default stands here.
"""

KIB = 1024
MIB = 1024 * KIB

# ---- what may be sent --------------------------------------------------------------------------------------

MESSAGE_BYTES_MAX = 4 * MIB
"""One message on the broker and one gRPC message; gRPC's default, a quarter of what RabbitMQ 4.0 takes."""
HTTP_BODY_BYTES_MAX = 64 * MIB
"""A JSON body; becomes as many messages as it needs."""
BATCH_CONTACTS_MAX = 100_000
"""Contacts sent together under one batch_id."""
CONTACTS_PER_MESSAGE_MAX = 10_000
"""Contacts of one part, however short they are: bounds one turn of an actor and one commit."""
BATCH_PARTS_MAX = 1_024
"""Parts one batch may be cut into."""
CONTACT_TEXT_CHARS_MAX = 1_000
"""Characters of one text of a contact; nobody's name is longer, and a provider's URL may not be."""
CONTACT_BYTES_MAX = 16 * KIB
"""A whole contact, encoded."""
FIELDS_PER_BATCH_MAX = 32
FIELD_NAME_CHARS_MAX = 64
BUDGET_MAX = 1_000_000_000
"""Credits, or money, of a cap: in millionths it fits a bigint with room for as many again."""
COST_MAX = 1_000_000
"""Credits of one call: nine million of the dearest fit a bigint in millionths."""
CREDIT_PRICE_MAX = 1_000
"""Money of one credit: nine thousand of the dearest calls fit."""
KEY_BYTES_MAX = 512
"""Person and operation of a key of the ledger; Postgres refuses an index entry of more than 2,704 bytes altogether."""
HANDLE_BYTES_MAX = 512
"""What a vendor calls a job by; it is looked for by index too."""
MAX_AGE_S_MAX = 315_360_000
"""Ten years: an answer is not kept for as long."""
PRIORITY_MAX = 9
JSON_DEPTH_MAX = 16
"""Nesting of a JSON body; the mission's form has 3."""
VIOLATIONS_MAX = 100
"""Wrong places named in one answer; the rest are only counted."""

# ---- ingest ------------------------------------------------------------------------------------------------

SET_CONTACTS_MAX = 10_000
"""Contacts put together into one message: ten batches of a thousand take a quarter less of the broker's CPU than two
messages of five (0.16 and 0.22 µs a contact, measured), and as many contacts may one batch have in a message."""
SET_BYTES_MAX = 1 * MIB
"""The same in bytes."""
SMALL_MESSAGE_CONTACTS_MAX = 100
"""Contacts of a message up to which it goes to the queue of the small ones."""
INTAKE_PUBLISHES_IN_FLIGHT_MAX = 64
"""Unconfirmed full messages, and as many sets that are not full; 2,000 messages of 1,000 contacts a second went
through with 64 (measured on 2 cores)."""
INTAKE_BYTES_MAX = 64 * MIB
"""Payloads taken by all doors of a process and not confirmed; above it the doors do not read."""
HTTP_BODIES_BYTES_MAX = 256 * MIB
"""JSON bodies of all requests in hand, read so far."""
STREAM_CONTACTS_UNCONFIRMED_MAX = 100_000
"""Contacts one gRPC stream may be ahead of its confirms."""
STREAM_KEPT_MAX = 64
"""Messages of a gRPC stream that are kept to be taken together: taking so many is a turn of a millisecond or two."""
STREAM_KEPT_BYTES_MAX = 256 * KIB
"""The same in bytes. A glance at eight batches of a thousand takes a third less than at each (`bench ingest`: 0.52 µs
of the service's CPU a contact with 64 KiB, 0.42 with 256, 0.40 with 512)."""
STREAM_SMALL_BYTES_MAX = 16 * KIB
"""A message up to which its batch may be a small one, of 100 rich contacts: before it is looked at it does not wait for
large ones."""
STREAM_BATCH_IDS_MAX = 16_384
"""Batch ids a gRPC stream remembers to tell its duplicates; older ones are told in Postgres."""
STREAM_ACKS_UNSENT_MAX = 10_000
"""Acknowledgements a StreamContacts client may leave unread before its batches are not read either."""
STREAM_REJECTED_BYTES_MAX = 2 * MIB
"""Rejections a summary carries, encoded: half of what a gRPC client takes by default."""
GRPC_MESSAGE_BYTES_MAX = 16 * MIB
"""One batch as a gRPC client sends it; becomes as many messages as it needs."""

# ---- on the broker -----------------------------------------------------------------------------------------

PREFETCH_DELIVERIES = 300
"""Unacknowledged deliveries of one consumer (facts: 100-300 when they carry batches, more when they are small)."""
PREFETCH_LARGE_DELIVERIES = 16
"""The same where bodies are large: RabbitMQ bounds them by number only, and 300 of 4 MiB are 1.2 GiB."""
PREFETCH_SMALL_DELIVERIES = 900
"""The same where all are small: while a group is accepted, half as many again arrive for the next."""
MEDIUM_DELIVERY_BYTES_MAX = 100 * KIB
"""A body up to which a delivery is not large; one batch of a thousand contacts has a third of it."""
SMALL_DELIVERY_BYTES_MAX = 32 * KIB
DELIVERED_BYTES_MAX = 96 * MIB
"""Bodies that wait in a consumer, where those are more than sixteen. The prefetch keeps below it, but where large ones
follow a run of small ones: what is on its way by then is given back, and comes again by sixteen."""
CONFIRMS_IN_FLIGHT_MAX = 1_000
"""Publishes without a confirm yet; 200-1,000 give the throughput (RabbitMQ's quorum benchmark, 2020-05)."""
PUBLISH_DEADLINE_S = 30.0
"""Longest wait for one confirm; a memory or disk alarm blocks the connection for as long as it lasts."""
DELIVERY_LIMIT = 20
"""Redeliveries before the broker moves a message to the dead-letter queue; RabbitMQ 4.0's default."""

# ---- accept ------------------------------------------------------------------------------------------------

ACCEPT_GROUP_DELIVERIES_MAX = 600
"""Each group locks its objects once: batches of ten cost a tenth less of both processors than in groups of 300."""
ACCEPT_GROUP_BYTES_MAX = 1 * MIB
"""Bodies of one accept transaction, about 16,000 contacts; one delivery is taken whatever its size."""
ACCEPTED_CONTACTS_HIGH_WATER = 5_000_000
"""Contacts accepted and not finished; above it the acceptor rests and the broker buffers."""

# ---- actors ------------------------------------------------------------------------------------------------

PARTITIONS = 64
"""Fixed by the rows of table `lease`; another number needs a migration that moves every partition."""
LEASE_S = 15.0
LEASE_RENEW_S = 3.0
RATE_HANDED_OVER_S_MAX = 120.0
"""Windows of a permitted rate up to this long are handed over between workers without a request too many: whoever takes
a part over waits for the window's length. A longer one would stand still for as long: its vendor's word counts."""
RATE_TURN_S = 30.0
"""Where a rate permits fewer requests than there are workers, the parts go round among them this often."""
RATE_UNBOUNDED = 2**31 - 1
"""More requests than there are workers."""
CONTACTS_IN_WORK_MAX = 16_384
"""Contacts held in memory by all aggregators of a process."""
ERID_WINDOW_CONTACTS_MAX = 2_000
"""Contacts an aggregator holds at once; its backlog stays in Postgres."""
CONTACTS_PARKED_MAX = CONTACTS_IN_WORK_MAX
"""Contacts in work that wait for a paused provider, beside which as many others are taken into work."""
CONTACTS_HELD_MAX = 3 * CONTACTS_IN_WORK_MAX
"""Contacts in memory, in work or accepted and waiting; what is accepted beyond stays in Postgres until its turn."""
AGGREGATORS_MAX = 20_000
"""ERIDs with an aggregator at once; further ones wait in Postgres for a place."""
SMALL_AGGREGATORS_MAX = 2_000
"""Places beside them for those of which a small batch came just now."""
BATCH_REFS_PER_ERID_MAX = 16
"""Accepted batches an aggregator remembers ahead of its window."""

STALLS_TOLD_MAX = 10_000
"""ERIDs of which a worker tells why they wait."""

REPLAY_AFTER_S = 30.0
"""A call without an answer is sent again only when it is this old: until then the vendor may still be at work on it."""

# ---- the directory -----------------------------------------------------------------------------------------

DIRECTORIES_HELD_BYTES_MAX = 64 * MIB
"""Memory of the directories that a process holds whole, of all tenants: about 100,000 people, of 630 to 660 bytes each
with 40 at a company, and 1,700 where each has a company to themselves. Larger ones stay in Postgres."""
PERSON_HELD_BYTES = 480
"""A person held, beside the octets of the texts (about 150): objects and places in three indexes (measured)."""
COMPANY_HELD_BYTES = 550
"""A company with a domain, and as much for each pattern that is counted of a domain (measured)."""
DIRECTORY_HELD_BYTES = 4 * KIB
"""A directory with nobody in it: tenants without people are held too."""

# ---- commit and relay --------------------------------------------------------------------------------------

COMMIT_GROUP_CONTACTS_MAX = 5_000
OUTBOX_GROUP_EVENTS_MAX = 500

# ---- serving -----------------------------------------------------------------------------------------------

PAGE_CONTACTS_MAX = 1_000
"""Contacts on a page, which is also what a page has when nothing was said; and what results are read by."""
PAGE_BYTES_MAX = 3 * MIB
"""Contacts of one gRPC answer, encoded; a page ends early rather than pass what a client takes by default."""
PAGE_ENRICHMENTS_MAX = 1_000
PAGE_ENRICHMENTS_DEFAULT = 100
WATCH_INTERVAL_S = 0.1
"""Between two looks at everything that is watched, in one query; while nobody watches there are none."""
HEARTBEAT_S = 15.0
"""A stream that has nothing to say says so this often; proxies cut what is silent for 30 to 60 s."""
WRITE_DEADLINE_S = 60.0
"""Longest wait for a client to take what was written to it; then it is let go."""
REQUEST_DEADLINE_S = 60.0
"""Longest time from a request's head to its answer, streams excepted."""

# ---- the process -------------------------------------------------------------------------------------------

SHUTDOWN_GRACE_S = 20.0
"""From SIGTERM to the last service stopped; Kubernetes kills after 30 s by default."""
DRAIN_S = 8.0
"""What contacts in work get where a partition is given back; at the end of a process it is what the grace leaves."""
STOP_S = 2.0
"""Of the grace, what is left for the last commit and for closing."""
STOP_HURRIED_S = 1.0
"""What a service gets to stop once the grace is over or a second signal came."""


def _holds(condition: bool, why: str) -> None:
    """Refuse to be imported with bounds that contradict each other (`assert` would vanish under -O)."""
    if not condition:
        raise AssertionError(f"limits: {why}")


_holds(BATCH_CONTACTS_MAX <= CONTACTS_PER_MESSAGE_MAX * BATCH_PARTS_MAX, "a full batch fits its parts")
_holds(
    BATCH_CONTACTS_MAX * CONTACT_BYTES_MAX <= MESSAGE_BYTES_MAX * BATCH_PARTS_MAX // 2,
    "a full batch of the longest contacts fits its parts, even when each is only half full",
)
_holds(CONTACT_BYTES_MAX * 4 <= MESSAGE_BYTES_MAX, "a contact is small against a message")
_holds(CONTACT_TEXT_CHARS_MAX * 4 <= CONTACT_BYTES_MAX, "a longest text of 4-byte characters fits its contact")
_holds(2 * KEY_BYTES_MAX + HANDLE_BYTES_MAX < 2_000, "keys leave an index entry room for tenant and provider")
_holds(MESSAGE_BYTES_MAX <= HTTP_BODY_BYTES_MAX, "a body holds at least a message")
_holds(SET_CONTACTS_MAX <= CONTACTS_PER_MESSAGE_MAX, "a set has no more contacts than a batch in a message")
_holds(SET_BYTES_MAX <= MESSAGE_BYTES_MAX // 2, "a set and the batch that overfills it fit a message")
_holds(INTAKE_PUBLISHES_IN_FLIGHT_MAX * 2 < CONFIRMS_IN_FLIGHT_MAX, "intake waits for no slot")
_holds(GRPC_MESSAGE_BYTES_MAX <= INTAKE_BYTES_MAX, "intake takes the largest batch")
_holds(STREAM_KEPT_BYTES_MAX * 200 <= INTAKE_BYTES_MAX, "two hundred streams may keep what they have read")
_holds(STREAM_REJECTED_BYTES_MAX <= MESSAGE_BYTES_MAX // 2, "a summary fits a message")
_holds(HTTP_BODY_BYTES_MAX * 2 <= HTTP_BODIES_BYTES_MAX, "one body does not shut the others out")
_holds(ACCEPT_GROUP_DELIVERIES_MAX < PREFETCH_SMALL_DELIVERIES, "the next group arrives while one is accepted")
_holds(PREFETCH_SMALL_DELIVERIES * SMALL_DELIVERY_BYTES_MAX <= 32 * MIB, "small deliveries take little memory")
_holds(PREFETCH_DELIVERIES * MEDIUM_DELIVERY_BYTES_MAX <= 32 * MIB, "and so do those of a middling size")
_holds(PREFETCH_LARGE_DELIVERIES * MESSAGE_BYTES_MAX <= 64 * MIB, "and large ones")
_holds(PREFETCH_LARGE_DELIVERIES * MESSAGE_BYTES_MAX < DELIVERED_BYTES_MAX, "what is expected is not given back")
_holds(PREFETCH_LARGE_DELIVERIES * MEDIUM_DELIVERY_BYTES_MAX >= ACCEPT_GROUP_BYTES_MAX, "large ones fill a group")
_holds(SET_BYTES_MAX <= ACCEPT_GROUP_BYTES_MAX, "a set fits an accept group")
_holds(SMALL_MESSAGE_CONTACTS_MAX * 10 <= SET_CONTACTS_MAX, "what is small is small against a set")
_holds(ERID_WINDOW_CONTACTS_MAX * 4 <= CONTACTS_IN_WORK_MAX, "one ERID cannot take all the memory")
_holds(CONTACTS_IN_WORK_MAX + CONTACTS_PARKED_MAX <= CONTACTS_HELD_MAX, "what is in work and parked is held")
_holds(COMMIT_GROUP_CONTACTS_MAX <= CONTACTS_IN_WORK_MAX, "a commit group is of contacts in work")
_holds(CONTACTS_IN_WORK_MAX < ACCEPTED_CONTACTS_HIGH_WATER, "work is found below the high-water mark")
_holds(RATE_HANDED_OVER_S_MAX < 600, "a worker is remembered for longer than what it sent is in a window")
_holds(LEASE_RENEW_S * 3 < LEASE_S, "a lease survives two failed renewals")
_holds(STOP_HURRIED_S < SHUTDOWN_GRACE_S, "hurry is faster than grace")
_holds(PAGE_ENRICHMENTS_DEFAULT <= PAGE_ENRICHMENTS_MAX, "the default page is a page")
_holds(PAGE_BYTES_MAX + CONTACT_BYTES_MAX * 4 <= MESSAGE_BYTES_MAX, "a page and one contact more fit a message")
_holds(WATCH_INTERVAL_S < HEARTBEAT_S < WRITE_DEADLINE_S, "a silent stream is told from a stuck one")
_holds(STOP_S < SHUTDOWN_GRACE_S, "draining leaves time to stop")

"""The wire: protobuf and JSON ⇄ contacts, alike on every door.

Role. Turns what arrives (a gRPC message, a JSON body, an AMQP delivery) into validated `ContactBatch`es, gives each
its identity, and cuts large ones into parts. Free of I/O; safe to call with any bytes.

Guarantee. The identity of a batch is its content: `content_hash` is the SHA-256 of its canonical form (contacts in
order, fields sorted and unique, deterministic protobuf), and a batch sent without an id gets the UUIDv5 of that hash
under its ERID. Neither depends on the door, the order of the fields, unknown protobuf fields, or whether an absent
text was left out or sent empty. The cut into parts depends on the content and on two constants, so every door cuts
alike.

Failures. What cannot be accepted is an `InvalidInput` with a reason code and the wrong places (doors), or an
`InvalidUnit` (broker): one poisoned batch of a set leaves its neighbours alone.

Read in order: `rules` (what is acceptable), `identity` (ids and hash), `encoded` (what a door passes on), `protobuf`,
`document` (JSON) with its `faults`, `parts` (split and set), `delivery` (what comes from the broker), `glance` (a door
in a hurry) with its `scan`. The last is imported by its own name: it brings numpy, which only that door has use for.
"""

from des.wire.delivery import InvalidUnit, TenantResolver, decode_delivery
from des.wire.document import ContactBatchDocument, decode_json, encode_json
from des.wire.encoded import EncodedBatch
from des.wire.parts import encode_set, encode_set_of_payloads, split, split_encoded
from des.wire.protobuf import decode_contacts, decode_proto, encode_proto

__all__ = [
    "ContactBatchDocument",
    "EncodedBatch",
    "InvalidUnit",
    "TenantResolver",
    "decode_contacts",
    "decode_delivery",
    "decode_json",
    "decode_proto",
    "encode_json",
    "encode_proto",
    "encode_set",
    "encode_set_of_payloads",
    "split",
    "split_encoded",
]

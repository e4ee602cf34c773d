"""What travels on the broker, as values: content types, message types and a delivery as it came."""

import msgspec

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
BATCH_TYPE = "des.v1.ContactBatch"
BATCH_SET_TYPE = "des.v1.ContactBatchSet"


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One message as it came: payload and acknowledgement travel together.

    `user_id` is validated by the broker, empty where the publisher set none. `tag` counts within `generation`,
    the channel it came by; `queue` is that channel's.
    """

    body: bytes
    content_type: str
    type: str
    user_id: str
    routing_key: str
    tag: int
    generation: int
    redelivered: bool = False
    queue: str = ""
    content_encoding: str = ""

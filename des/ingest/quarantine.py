"""Sends what lies in quarantine through the front door again, after its cause is gone."""

import asyncio

from des.broker.contract import INGEST_EXCHANGE, Publisher
from des.contact import TENANT_DEFAULT
from des.errors import BrokerUnavailable, InvalidInput
from des.message import BATCH_SET_TYPE, JSON, PROTOBUF
from des.store.contract import Quarantined, QuarantineStore
from des.wire import decode_json, encode_set_of_payloads

PUBLISH_S = 5.0
"""Longest wait for the confirm: the row is locked as long, and an acceptor that refuses the same waits for it."""


async def retry(quarantine: QuarantineStore, publisher: Publisher, row_id: int, fields: frozenset[str]) -> Quarantined:
    """Publish the payload of a held row again, for its tenant; `fields` are the configured ones.

    Returns the row as it was; refused again, it is held again. Raises NotFound, InvalidInput (it cannot be read or
    was refused after acceptance), Overloaded and BrokerUnavailable (it stays held).
    """
    async with quarantine.retrying(row_id) as (row, payload):
        content_type, message_type, body = _message(row, payload, fields)
        try:
            async with asyncio.timeout(PUBLISH_S):
                await publisher.publish(
                    INGEST_EXCHANGE, row.erid[:64], body, content_type=content_type, type=message_type
                )
        except TimeoutError as error:
            raise BrokerUnavailable(f"no confirm from RabbitMQ within {PUBLISH_S:g} s") from error
    return row


def _message(row: Quarantined, payload: bytes, fields: frozenset[str]) -> tuple[str, str, bytes]:
    """Content type, type and body of the message.

    DES speaks for all tenants, and a message of its own that is no set is the default tenant's: for another one, a
    batch has to travel in a set.
    """
    if row.stage != "accept":
        what = f"row {row.id} was refused at {row.stage}: what is kept is no message that came; push its contacts again"
        raise InvalidInput("NOT_RETRYABLE", what)
    if row.tenant == TENANT_DEFAULT or row.message_type == BATCH_SET_TYPE:
        return row.content_type, row.message_type, payload
    if row.content_type.partition(";")[0].strip().lower() == JSON:
        payload = decode_json(payload, row.tenant, fields).payload
    return PROTOBUF, BATCH_SET_TYPE, encode_set_of_payloads(row.tenant, [payload])

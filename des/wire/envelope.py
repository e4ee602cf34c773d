"""A ContactBatchSet whose batches stay bytes: parsed as what it is, a set with one broken batch could not be read."""

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from des.v1 import contact_pb2

_Field = descriptor_pb2.FieldDescriptorProto


def _envelope() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="des/wire/envelope.proto", package="des.wire", syntax="proto3")
    message = file.message_type.add()
    contact_pb2.ContactBatchSet.DESCRIPTOR.CopyToProto(message)
    for field in message.field:
        if field.type == _Field.TYPE_MESSAGE:
            field.type = _Field.TYPE_BYTES
            field.ClearField("type_name")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{message.name}"))


ENVELOPE: Final = _envelope()
"""Message class with the fields of a ContactBatchSet, `batches` as bytes."""

"""Other ways to read the bytes of a message: messages of the same field numbers that look less closely, or sideways.

`SET` reads a ContactBatchSet without looking into its batches, which stay bytes: parsed as what it is, a set with one
broken batch could not be read at all. The others read requests of a stream, several of them joined to one: to a parser
they are one request whose field came several times. `PAYLOADS` leaves their batches bytes, `HEADS` reads each without
looking into its contacts. `COLUMNS` has one batch of repeated fields with one contact of repeated texts, neither of
them repeated itself, so the parser merges all batches and all contacts into it, field by field. That reads every text,
as bytes, in a seventh of the time that it takes contact by contact, and forgets whose text is whose.
"""

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from des.v1 import contact_pb2, ingest_pb2

_Field = descriptor_pb2.FieldDescriptorProto

_PACKAGE: Final = "des.wire"


def _view(file: descriptor_pb2.FileDescriptorProto, name: str, original: Any) -> descriptor_pb2.DescriptorProto:
    """Add a message like the original, of which messages stay bytes."""
    view = file.message_type.add()
    original.CopyToProto(view)
    view.name = name
    for field in view.field:
        if field.type == _Field.TYPE_MESSAGE:
            field.type = _Field.TYPE_BYTES
            field.ClearField("type_name")
    return view


def _unread(view: descriptor_pb2.DescriptorProto) -> descriptor_pb2.DescriptorProto:
    """Have texts stay bytes: whether they are UTF-8 is not looked at, and making them takes two thirds of the time."""
    for field in view.field:
        if field.type == _Field.TYPE_STRING:
            field.type = _Field.TYPE_BYTES
    return view


def _repeated(view: descriptor_pb2.DescriptorProto) -> descriptor_pb2.DescriptorProto:
    for field in view.field:
        field.label = _Field.LABEL_REPEATED
    return view


def _hold(view: descriptor_pb2.DescriptorProto, name: str, message: str, *, merged: bool) -> None:
    """Have a field of the view read as that message, `merged` into one where it comes several times, or repeated."""
    (field,) = (one for one in view.field if one.name == name)
    field.type, field.type_name = _Field.TYPE_MESSAGE, message
    field.label = _Field.LABEL_OPTIONAL if merged else _Field.LABEL_REPEATED


def _classes() -> tuple[Any, Any, Any, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="des/wire/views.proto", package=_PACKAGE, syntax="proto3")
    request, batch, contact = (
        ingest_pb2.PushContactsRequest.DESCRIPTOR,
        contact_pb2.ContactBatch.DESCRIPTOR,
        contact_pb2.Contact.DESCRIPTOR,
    )
    _view(file, "Set", contact_pb2.ContactBatchSet.DESCRIPTOR)
    _repeated(_view(file, "Payloads", request))
    _view(file, "Head", batch)
    _hold(_view(file, "Heads", request), "batch", "Head", merged=False)
    _repeated(_unread(_view(file, "Texts", contact)))
    _hold(_repeated(_view(file, "BatchColumns", batch)), "contact_list", "Texts", merged=True)
    _hold(_view(file, "Columns", request), "batch", "BatchColumns", merged=True)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    set_, payloads, heads, columns = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in ("Set", "Payloads", "Heads", "Columns")
    )
    return set_, payloads, heads, columns


SET, PAYLOADS, HEADS, COLUMNS = _classes()

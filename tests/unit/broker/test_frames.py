"""The hot frames against pamqp, an independent reading of the specification; the tap against any cut of the bytes."""

import struct

import pamqp.commands as spec
import pamqp.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from des.broker import frames
from des.broker.frames import Properties
from des.broker.tap import FrameSink, TappedReader

CHANNEL = 7
names = st.text(st.characters(codec="ascii", categories=("L", "N")), max_size=40)
bodies = st.binary(max_size=400)


def unmarshal_all(data: bytes) -> list[object]:
    found: list[object] = []
    while data:
        size, channel, frame = pamqp.frame.unmarshal(data)
        assert channel == CHANNEL
        found.append(frame)
        data = data[size:]
    return found


@given(
    address=st.tuples(names, names),
    body=bodies,
    kinds=st.tuples(names, names),
    frame_max=st.sampled_from((0, 64, 4096)),
)
def test_a_publish_reads_as_it_was_meant(
    address: tuple[str, str], body: bytes, kinds: tuple[str, str], frame_max: int
) -> None:
    (exchange, key), (content_type, kind) = address, kinds
    headers = {"ce-id": "é" * 30, "ce-type": kind}
    sent = frames.publish_method(CHANNEL, exchange, key, mandatory=True) + frames.content(
        CHANNEL, body, frame_max, content_type=content_type, message_id="m-1", type=kind, headers=headers
    )
    method, header, *parts = unmarshal_all(sent)
    assert isinstance(method, spec.Basic.Publish)
    assert (method.exchange, method.routing_key, method.mandatory) == (exchange, key, True)
    assert isinstance(header, ContentHeader)
    assert header.body_size == len(body)
    properties = header.properties
    assert (properties.content_type or "", properties.message_id, properties.message_type or "") == (
        content_type,
        "m-1",
        kind,
    )
    assert (properties.delivery_mode, properties.headers) == (2, headers)
    values = [part.value for part in parts if isinstance(part, ContentBody)]
    assert b"".join(values) == body
    assert all(len(value) + frames.FRAME_OVERHEAD <= frame_max for value in values if frame_max)


@pytest.mark.parametrize("multiple", [False, True])
def test_acknowledgements_read_as_they_were_meant(multiple: bool) -> None:
    (ack,) = unmarshal_all(frames.ack(CHANNEL, 2**40, multiple=multiple))
    assert isinstance(ack, spec.Basic.Ack)
    assert (ack.delivery_tag, ack.multiple) == (2**40, multiple)
    (reject,) = unmarshal_all(frames.reject(CHANNEL, 3))
    assert isinstance(reject, spec.Basic.Reject)
    assert (reject.delivery_tag, reject.requeue) == (3, False)


def test_names_longer_than_the_protocol_takes_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 255"):
        frames.publish_method(CHANNEL, "e", "k" * 256, mandatory=True)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "content_type": names.filter(bool),
            "content_encoding": names.filter(bool),
            "headers": st.dictionaries(names.filter(bool), names | st.integers(0, 9), min_size=1),
            "delivery_mode": st.sampled_from((1, 2)),
            "priority": st.integers(0, 9),
            "correlation_id": names.filter(bool),
            "reply_to": names.filter(bool),
            "expiration": names.filter(bool),
            "message_id": names.filter(bool),
            "message_type": names.filter(bool),
            "user_id": names.filter(bool),
            "app_id": names.filter(bool),
        },
    )
)
def test_the_properties_that_matter_are_found_among_any_others(given_properties: dict[str, object]) -> None:
    header = ContentHeader(0, 12, spec.Basic.Properties(**given_properties))  # type: ignore[arg-type]
    payload = pamqp.frame.marshal(header, CHANNEL)[7:-1]
    assert frames.read_header(payload) == (
        12,
        Properties(
            *(str(given_properties.get(name, "")) for name in ("content_type", "message_id", "message_type", "user_id"))
        ),
    )


class Recorder(FrameSink):
    """Keeps what the tap hands out."""

    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []

    def delivered(self, tag: int, redelivered: bool, routing_key: str, properties: Properties, body: bytes) -> None:
        self.seen.append(("delivered", tag, redelivered, routing_key, properties.user_id, body))

    def returned(self, message_id: str, reason: str) -> None:
        self.seen.append(("returned", message_id, reason))

    def confirmed(self, tag: int, *, multiple: bool, taken: bool) -> None:
        self.seen.append(("confirmed", tag, multiple, taken))

    def blocked(self, reason: str) -> None:
        self.seen.append(("blocked", reason))


def marshal(frame: object, channel: int = CHANNEL) -> bytes:
    return pamqp.frame.marshal(frame, channel)  # type: ignore[arg-type]


def conversation() -> tuple[bytes, bytes]:
    """Bytes of a broker that says everything, and those of them that are not the tap's."""
    ours = [
        marshal(spec.Basic.Deliver("consumer", 1, False, "x", "erid-1")),
        marshal(ContentHeader(0, 6, spec.Basic.Properties(content_type="a/b", user_id="acme", headers={"n": 1}))),
        marshal(ContentBody(b"abc")),
        marshal(ContentBody(b"\xce\xce\x00")),
        marshal(spec.Basic.Deliver("consumer", 2, True, "x", "")),
        marshal(ContentHeader(0, 0, spec.Basic.Properties())),
        marshal(spec.Basic.Return(312, "NO_ROUTE", "x", "nowhere")),
        marshal(ContentHeader(0, 1, spec.Basic.Properties(message_id="m-9"))),
        marshal(ContentBody(b"z")),
        marshal(spec.Basic.Ack(5, True)),
        marshal(spec.Basic.Nack(6, False)),
    ]
    theirs = [
        marshal(spec.Queue.DeclareOk("q", 4, 1)),
        marshal(spec.Connection.Blocked("low on memory"), 0),
        marshal(spec.Connection.Unblocked(), 0),
        marshal(spec.Basic.Ack(1, False), CHANNEL + 1),
        marshal(spec.Channel.CloseOk()),
    ]
    return b"".join(theirs[:1] + ours[:6] + theirs[1:3] + ours[6:] + theirs[3:]), b"".join(theirs)


SAID = [
    ("delivered", 1, False, "erid-1", "acme", b"abc\xce\xce\x00"),
    ("delivered", 2, True, "", "", b""),
    ("blocked", "low on memory"),
    ("blocked", ""),
    ("returned", "m-9", "NO_ROUTE"),
    ("confirmed", 5, True, True),
    ("confirmed", 6, False, False),
]


@pytest.mark.parametrize("cut", [1, 2, 7, 8, 9, 50, 10_000])
async def test_the_tap_takes_the_hot_frames_and_leaves_the_rest_however_the_bytes_are_cut(cut: int) -> None:
    sink = Recorder()
    reader = TappedReader(sink)
    reader.tapped_channel = CHANNEL
    data, theirs = conversation()
    for at in range(0, len(data), cut):
        reader.feed_data(data[at : at + cut])
    reader.feed_eof()
    left = await reader.read()
    assert sink.seen == SAID
    assert left.replace(frames.HEARTBEAT, b"") == theirs
    assert left.count(frames.HEARTBEAT) == 1  # aiormq has to hear that the peer lives


async def test_nothing_is_taken_from_a_channel_that_is_not_tapped() -> None:
    sink = Recorder()
    reader = TappedReader(sink)
    data, _ = conversation()
    reader.feed_data(data)
    reader.feed_eof()
    assert await reader.read() == data
    assert [name for name, *_ in sink.seen] == ["blocked", "blocked"]


@pytest.mark.parametrize(
    "bad",
    [
        b"AMQP\x00\x00\x09\x01",
        marshal(ContentBody(b"abc"))[:-1] + b"\x00",
        struct.pack(">BHI", 2, CHANNEL, 2) + b"\x00\x3c\xce",
    ],
    ids=["protocol header", "no end mark", "short header"],
)
async def test_bytes_out_of_place_are_left_for_aiormq_to_judge(bad: bytes) -> None:
    reader = TappedReader(Recorder())
    reader.tapped_channel = CHANNEL
    opening = marshal(spec.Basic.Deliver("c", 1, False, "x", "k")) if bad[0] == 2 else b""
    reader.feed_data(opening)
    reader.feed_data(bad)
    reader.feed_data(b"more")
    reader.feed_eof()
    assert (await reader.read()).replace(frames.HEARTBEAT, b"") == bad + b"more"

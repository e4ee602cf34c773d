"""2  broker: RabbitMQ carries. aio-pika lives here and nowhere else.

- `contract`    what the stages see: Consumer, Publisher, the names of exchanges and queues
- `topology`    those exchanges and queues as data
- `publisher`   messages out, each with its confirm
- `consumer`    deliveries in, acknowledged in groups, watched
- `supervisor`  opens a connection, waits for its end, opens the next
- `connection`  one connection with its one channel

Guarantee. What `publish` returns from lies on a durable quorum queue. What was taken and not acknowledged comes again.
No tag is acknowledged twice, and none of a channel that has gone.

States. Publisher and consumer have a connection each, since an alarm blocks those that publish. Each is `ready` or on
its way there, for ever; `ready` is what /readyz shows. Nothing is kept from one connection to the next.

Failures of `publish`. `Overloaded`: an alarm or a full queue, with the seconds to wait. `BrokerUnavailable`: no
connection, no queue, or no confirm in time; the message may have arrived, and sending it again is harmless.

Speed. CPU per message, nearly all of it in aiormq (2 cores shared with the broker, Python 3.11, quorum queue), on a
machine of 2.3 GHz. Publish 1.5 kB: 130 µs with 64 in flight, 210 with 4, 300 one at a time; a third more by aio-pika's
exchange and message. Deliver and ack: 80 µs at 150 bytes, 110 at 44 kB, on one twice as fast.
"""

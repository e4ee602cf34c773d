"""2  broker: RabbitMQ carries. aiormq lives here and nowhere else.

- `contract`    what the stages see: Consumer, Publisher, the names of exchanges and queues
- `topology`    those exchanges and queues as data
- `publisher`   messages out, each with its confirm
- `consumer`    deliveries in, acknowledged in groups, watched
- `supervisor`  opens a connection, waits for its end, opens the next
- `connection`  one connection with its one channel
- `tap`, `frames`  the hot frames, taken out of the byte stream before aiormq reads it

Guarantee. What `publish` returns from lies on a durable quorum queue. What was taken and not acknowledged comes again.
No tag is acknowledged twice, and none of a channel that has gone.

States. Publisher and consumer have a connection each, since an alarm blocks those that publish. Each is `ready` or on
its way there, for ever; `ready` is what /readyz shows. Nothing is kept from one connection to the next.

Failures of `publish`. `Overloaded`: an alarm or a full queue, with the seconds to wait. `BrokerUnavailable`: no
connection, no queue, or no confirm in time; the message may have arrived, and sending it again is harmless.

Speed. aiormq opens, declares and closes; it puts every frame through two queues and makes a task of every delivery and
every publish, 36 and 53 µs for a small message. Tapped, it is 5 and 9 µs (same machine, 150 bytes, quorum queue).
"""

"""1 ingest: the doors, and the one intake behind them.

Role. Takes batches by gRPC (`servicer`) and HTTP (`http`), has `des.wire` validate them and give them their identity,
and publishes them with a confirm (`intake`). No state of its own: what is not confirmed was not accepted.

Guarantee. OK to a client means that the broker has confirmed the batch on a durable quorum queue. While a confirm is
outstanding, small batches that arrive are put together into the next message, and those of a stream are looked at
together too: load makes the group larger, and the latency by no more than that confirm, or 3 ms. A client that leaves
does not take back what was sent on its behalf.

States. Open; draining (no new batches, what was taken is confirmed); stopped.

Failures. Above its bound, intake does not read, so a stream feels HTTP/2's flow control. A refusal or an alarm of the
broker is Overloaded, a broker out of reach BrokerUnavailable: the client is told when to send again, and what had
arrived is a duplicate.

Read in order: `intake`, `stream` (one client stream) and its `acknowledgement`, `servicer`, `server`, `http`; beside
them `webhooks`, by which vendors deliver answers that come later.
"""

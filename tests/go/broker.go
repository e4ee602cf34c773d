package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
	"google.golang.org/protobuf/proto"

	"github.com/data-enrichment-service/des/proto/go/desv1"
)

// Publication is what the broker said of the message.
type Publication struct {
	Confirmed bool `json:"confirmed"`
}

// Event is one CloudEvent of des.events in binary mode.
type Event struct {
	ID          string          `json:"id"`
	Type        string          `json:"type"`
	Tenant      string          `json:"tenant"`
	Subject     string          `json:"subject"`
	ContentType string          `json:"content_type"`
	Data        json.RawMessage `json:"data"`
}

// publish sends one batch straight to des.ingest, and returns the event that says it is finished.
func publish(ctx context.Context, url string, batch *desv1.ContactBatch) (Publication, Event, error) {
	connection, err := amqp.Dial(url)
	if err != nil {
		return Publication{}, Event{}, err
	}
	defer connection.Close()
	channel, err := connection.Channel()
	if err != nil {
		return Publication{}, Event{}, err
	}
	events, err := listen(channel, "des.batch.finished.*")
	if err != nil {
		return Publication{}, Event{}, err
	}
	confirmed, err := send(ctx, channel, batch)
	if err != nil {
		return Publication{}, Event{}, err
	}
	event, err := awaitEvent(ctx, events, batch.Erid)
	return Publication{confirmed}, event, err
}

// listen binds a queue of this connection's own to des.events.
func listen(channel *amqp.Channel, key string) (<-chan amqp.Delivery, error) {
	queue, err := channel.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return nil, err
	}
	if err := channel.QueueBind(queue.Name, key, "des.events", false, nil); err != nil {
		return nil, err
	}
	return channel.Consume(queue.Name, "", true, true, false, false, nil)
}

// send publishes with the mandatory flag and waits for the confirm. A message that no queue took would be confirmed
// too; it comes back first.
func send(ctx context.Context, channel *amqp.Channel, batch *desv1.ContactBatch) (bool, error) {
	if err := channel.Confirm(false); err != nil {
		return false, err
	}
	returned := channel.NotifyReturn(make(chan amqp.Return, 1))
	body, err := proto.Marshal(batch)
	if err != nil {
		return false, err
	}
	message := amqp.Publishing{ContentType: "application/x-protobuf", DeliveryMode: amqp.Persistent, Body: body}
	confirm, err := channel.PublishWithDeferredConfirmWithContext(ctx, "des.ingest", batch.Erid, true, false, message)
	if err != nil {
		return false, err
	}
	confirmed, err := confirm.WaitContext(ctx)
	if err != nil {
		return false, err
	}
	select {
	case back := <-returned:
		return false, fmt.Errorf("no queue took the message: %s", back.ReplyText)
	default:
		return confirmed, nil
	}
}

func awaitEvent(ctx context.Context, events <-chan amqp.Delivery, erid string) (Event, error) {
	for {
		select {
		case <-ctx.Done():
			return Event{}, ctx.Err()
		case delivery, open := <-events:
			if !open {
				return Event{}, errors.New("the broker closed the connection")
			}
			if event := read(delivery); event.Subject == erid {
				return event, nil
			}
		}
	}
}

func read(delivery amqp.Delivery) Event {
	text := func(name string) string {
		value, _ := delivery.Headers[name].(string)
		return value
	}
	return Event{
		text("ce-id"), text("ce-type"), text("ce-tenant"), text("ce-subject"), delivery.ContentType, delivery.Body,
	}
}

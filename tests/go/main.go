// A client of DES in Go, as somebody outside would write it: the generated stubs of proto/go, gRPC, and amqp091-go.
// It pushes a client stream of batches, reads the object and its results, publishes one batch straight to RabbitMQ and
// waits for the event that says it is finished. What it saw is one JSON object on stdout; tests/acceptance judges it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/data-enrichment-service/des/proto/go/desv1"
)

// Report is what the program saw.
type Report struct {
	Pushed      Summary     `json:"pushed"`
	PushedAgain Summary     `json:"pushed_again"`
	Enrichment  Progress    `json:"enrichment"`
	Page        []Contact   `json:"page"`
	Results     []Contact   `json:"results"`
	Published   Publication `json:"published"`
	Event       Event       `json:"event"`
}

func main() {
	address := flag.String("grpc", "", "gRPC address of DES, host:port")
	broker := flag.String("amqp", "", "URL of its RabbitMQ")
	erid := flag.String("erid", "", "ERID of what is pushed by gRPC")
	published := flag.String("published-erid", "", "ERID of what is published to RabbitMQ")
	batches := flag.Int("batches", 3, "batches of the client stream")
	size := flag.Int("size", 4, "contacts of one batch")
	flag.Parse()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	report, err := run(ctx, *address, *broker, *erid, *published, *batches, *size)
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, address, broker, erid, published string, batches, size int) (*Report, error) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	ingest := desv1.NewIngestServiceClient(connection)
	enrichments := desv1.NewEnrichmentServiceClient(connection)

	report := &Report{}
	people := batchesOf(erid, batches, size)
	if report.Pushed, err = push(ctx, ingest, people); err != nil {
		return nil, err
	}
	if report.PushedAgain, err = push(ctx, ingest, people); err != nil {
		return nil, err
	}
	if report.Enrichment, err = settled(ctx, enrichments, erid, uint64(batches*size)); err != nil {
		return nil, err
	}
	if report.Page, err = page(ctx, enrichments, erid); err != nil {
		return nil, err
	}
	if report.Results, err = results(ctx, enrichments, erid); err != nil {
		return nil, err
	}
	report.Published, report.Event, err = publish(ctx, broker, batchesOf(published, 1, size)[0])
	return report, err
}

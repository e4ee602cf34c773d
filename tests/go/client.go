package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/data-enrichment-service/des/proto/go/desv1"
)

// Summary is the answer to a client stream of batches.
type Summary struct {
	Accepted  uint64 `json:"accepted"`
	Duplicate uint64 `json:"duplicate"`
	Rejected  int    `json:"rejected"`
	Contacts  uint64 `json:"contacts"`
}

// Progress is the object without its contacts.
type Progress struct {
	State        string `json:"state"`
	Contacts     uint64 `json:"contacts"`
	ContactsDone uint64 `json:"contacts_done"`
	Batches      uint64 `json:"batches"`
}

// Contact is one contact with what was found for it, as far as the test looks.
type Contact struct {
	BatchID  string `json:"batch_id"`
	Position uint32 `json:"position"`
	LastName string `json:"last_name"`
	State    string `json:"state"`
	Email    string `json:"email"`
	Provider string `json:"provider"`
}

const field = "professional_email"

// batchesOf makes batches of one ERID without batch ids: DES makes them from the content. The first contact of each is
// somebody the directory knows.
func batchesOf(erid string, batches, size int) []*desv1.ContactBatch {
	made := make([]*desv1.ContactBatch, batches)
	for number := range made {
		batch := &desv1.ContactBatch{Erid: erid, FieldsToBeEnriched: []string{field}}
		batch.ContactList = append(batch.ContactList, &desv1.Contact{
			FirstName: "John", LastName: "Doe", CompanyName: "sayprimer.com",
		})
		for place := 1; place < size; place++ {
			batch.ContactList = append(batch.ContactList, &desv1.Contact{
				FirstName: "Jane", LastName: fmt.Sprintf("Doe-%d-%d", number, place), CompanyName: "sayprimer.com",
			})
		}
		made[number] = batch
	}
	return made
}

// push streams the batches and returns the one summary. OK means that the broker has confirmed all of them.
func push(ctx context.Context, client desv1.IngestServiceClient, batches []*desv1.ContactBatch) (Summary, error) {
	stream, err := client.PushContacts(ctx)
	if err != nil {
		return Summary{}, err
	}
	for _, batch := range batches {
		// io.EOF says only that the stream has ended; CloseAndRecv says why.
		if err := stream.Send(&desv1.PushContactsRequest{Batch: batch}); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return Summary{}, err
		}
	}
	answer, err := stream.CloseAndRecv()
	if err != nil {
		return Summary{}, err
	}
	return Summary{answer.Accepted, answer.Duplicate, len(answer.Rejected), answer.Contacts}, nil
}

// settled watches the object until so many contacts are done. It opens the ERID first, as the worker may not have
// accepted the batch yet that opens it otherwise.
func settled(ctx context.Context, client desv1.EnrichmentServiceClient, erid string, contacts uint64) (Progress, error) {
	if _, err := client.CreateEnrichment(ctx, &desv1.CreateEnrichmentRequest{Erid: erid}); err != nil {
		return Progress{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.WatchEnrichment(ctx, &desv1.WatchEnrichmentRequest{Erid: erid})
	if err != nil {
		return Progress{}, err
	}
	for {
		answer, err := stream.Recv()
		if err != nil {
			return Progress{}, err
		}
		if answer.Enrichment.Progress.ContactsDone == contacts {
			break
		}
	}
	answer, err := client.GetEnrichment(ctx, &desv1.GetEnrichmentRequest{Erid: erid, PageSize: 1})
	if err != nil {
		return Progress{}, err
	}
	found := answer.Enrichment
	return Progress{
		found.State.String(), found.Progress.Contacts, found.Progress.ContactsDone, found.Progress.Batches,
	}, nil
}

// page reads the object's contacts, two a page, so that pages have to be followed.
func page(ctx context.Context, client desv1.EnrichmentServiceClient, erid string) ([]Contact, error) {
	var contacts []Contact
	for token := ""; ; {
		request := &desv1.GetEnrichmentRequest{Erid: erid, PageSize: 2, PageToken: token}
		answer, err := client.GetEnrichment(ctx, request)
		if err != nil {
			return nil, err
		}
		contacts = append(contacts, seen(answer.ContactList)...)
		if token = answer.NextPageToken; token == "" {
			return contacts, nil
		}
	}
}

// results reads every finished contact from the stream.
func results(ctx context.Context, client desv1.EnrichmentServiceClient, erid string) ([]Contact, error) {
	stream, err := client.StreamResults(ctx, &desv1.StreamResultsRequest{Erid: erid})
	if err != nil {
		return nil, err
	}
	var contacts []Contact
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return contacts, nil
		}
		if err != nil {
			return nil, err
		}
		contacts = append(contacts, seen(answer.Contacts)...)
	}
}

func seen(contacts []*desv1.EnrichedContact) []Contact {
	found := make([]Contact, len(contacts))
	for index, contact := range contacts {
		result := contact.Enriched[field]
		found[index] = Contact{
			contact.BatchId, contact.Position, contact.Contact.LastName,
			result.GetState().String(), result.GetValue(), result.GetProvider(),
		}
	}
	return found
}

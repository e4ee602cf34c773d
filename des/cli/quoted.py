"""A quote that came by gRPC, as the value that serving writes: it looks alike by `des quote` and by HTTP."""

from uuid import UUID

from des.serving.quote import Cost, ProviderQuote, Quote, Range, Saved
from des.v1 import enrichment_pb2 as pb


def quote_of(message: pb.QuoteEnrichmentResponse) -> Quote:
    """Read a quote; what is unset is None."""
    return Quote(
        erid=UUID(message.erid),
        contacts=message.contacts,
        people=message.people,
        unidentified=message.unidentified,
        at_hand=message.at_hand,
        suppressed=message.suppressed if message.HasField("suppressed") else None,
        cost=_cost_of(message.cost),
        saved=_saved_of(message.saved),
        eta_s=message.eta_s if message.HasField("eta_s") else None,
        providers=[_provider_of(one) for one in message.providers],
        unknown=list(message.unknown),
    )


def _provider_of(message: pb.ProviderQuote) -> ProviderQuote:
    return ProviderQuote(
        message.provider,
        _range_of(message.questions),
        message.at_hand,
        _cost_of(message.cost),
        _saved_of(message.saved),
        message.eta_s if message.HasField("eta_s") else None,
    )


def _cost_of(message: pb.QuotedCost) -> Cost:
    return Cost(_range_of(message.credits), _range_of(message.money))


def _range_of(message: pb.QuotedRange) -> Range:
    return Range(message.min, message.expected if message.HasField("expected") else None, message.max)


def _saved_of(message: pb.Amount) -> Saved:
    return Saved(message.credits, message.money)

"""What is claimed for a question: the key under which it is paid for once, and the most that it can cost."""

from des.ledger import Amount, Claim, Key, new_call_id
from des.providers.ask import Ask
from des.providers.contract import Replay, Traits, UnknownPolicy
from des.providers.names import person_key
from des.providers.paying import Paying, Terms


class Claims:
    """Makes the claims of one provider."""

    def __init__(self, traits: Traits, terms: Terms) -> None:
        """Take what the provider is like and what its answers are worth."""
        self._traits = traits
        self._terms = terms
        self._replay_free = traits.replay is not Replay.NEVER_FREE
        self._pays_again = not self._replay_free and terms.unknown is UnknownPolicy.RETRY
        # What is the same for every question with these fields: worked out for each, it was 2 % of the profile of
        # bench paid_calls.
        self._of_fields: dict[tuple[str, ...], tuple[str, Amount]] = {}

    def paying(self, ask: Ask, index: int) -> Paying | None:
        """A question on its way through the ledger; None where nothing says who the person is."""
        question = ask.questions[index]
        person = person_key(question.contact)
        if not person:
            return None
        known = self._of_fields.get(question.fields)
        if known is None:
            price = self._terms.amount(self._traits.price_max(question.fields))
            known = self._traits.operation_of(question.fields), price
            self._of_fields[question.fields] = known
        operation, price = known
        return Paying(ask, index, Key(question.tenant, self._traits.name, operation, person), price)

    def claim(self, one: Paying) -> Claim:
        """The claim of its call, under a new id."""
        asker = one.ask.asker
        one.call_id = new_call_id()
        return Claim(
            one.call_id,
            one.key,
            one.ask.erid,
            asker.partition,
            asker.epoch,
            one.price,
            self._replay_free,
            self._pays_again,
            one.question.fields,
            self._traits.replay_after_s,
            one.max_age_s,
            self._terms.stale_s,
        )

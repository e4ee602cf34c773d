"""Who is asked for: people of the sandbox, some of them again and again, in several ERIDs and spellings."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from string import ascii_lowercase
from uuid import UUID

import msgspec

from des.contact import Contact
from des.providers.names import person_key
from des.sandbox.population import Population as Sandboxed
from des.v1 import contact_pb2
from tests.faults.money_books import keys_of, vendor_key
from tests.faults.population import EMAIL, Batch, Population

PEOPLE = 20_000
SEED = 1
"""Of the sandbox's population; its default."""
AGAIN = 0.3
"""Share of contacts that were sent before."""
SIZES = (1, 1, 3, 10, 20)


@dataclass(frozen=True)
class MoneyBatch(Batch):
    """A batch of people whom the sandbox knows; `numbers` are their numbers at `Buyers`."""

    def as_json(self) -> bytes:
        """Encode the mission's JSON."""
        contacts = [
            {"first_name": one.first_name, "last_name": one.last_name, "company_domain": one.company_domain}
            for one in self.message.contact_list
        ]
        document = {"erid": str(self.erid), "batch_id": self.given_id, "contact_list": contacts}
        return msgspec.json.encode(document | {"fields_to_be_enriched": list(self.fields)})


class Buyers(Population):
    """Batches without end, the same for the same seed: of people, and when all were sent of strangers.

    `keys`: our key of each contact that was sent, by the vendor's.
    """

    def __init__(self, seed: int) -> None:
        """Take the seed."""
        super().__init__(seed)
        self._chance = random.Random(seed)
        self._asked = 0
        self.keys: dict[str, str] = {}

    @cached_property
    def people(self) -> Sequence[Contact]:
        """Everybody whom DES and the vendor tell apart alike."""
        contacts = people_of(PEOPLE)
        keys = keys_of(contacts)
        return list({vendor_key(one): one for one in contacts if vendor_key(one) in keys}.values())

    def batch(self) -> Batch:
        """Make the next batch: small, for one field, of new people and of those who were sent before."""
        numbers = [self._number() for _ in range(self._chance.choice(SIZES))]
        erid = self._chance.choice(self.erids)
        batch_id = UUID(int=self._chance.getrandbits(128), version=4)
        message = contact_pb2.ContactBatch(erid=str(erid), batch_id=str(batch_id), fields_to_be_enriched=(EMAIL,))
        for number in numbers:
            person = self._contact(number)
            self.keys[vendor_key(person)] = person_key(person)
            shout = self._chance.random() < AGAIN
            message.contact_list.add(
                first_name=person.first_name.upper() if shout else person.first_name,
                last_name=person.last_name,
                company_domain=person.company_domain,
            )
        return MoneyBatch(erid, batch_id, str(batch_id), (EMAIL,), numbers, message)

    def _number(self) -> int:
        if self._asked and self._chance.random() < AGAIN:
            return self._chance.randrange(self._asked)
        self._asked += 1
        return self._asked - 1

    def _contact(self, number: int) -> Contact:
        if number < len(self.people):
            return self.people[number]
        name = "".join(ascii_lowercase[int(digit)] for digit in str(number))
        return Contact(first_name=name, last_name="stranger", company_domain=f"strange{number % 97}.com")


def people_of(people: int, seed: int = SEED) -> list[Contact]:
    """The sandbox's people as they are asked for, those left out whose name is not written in plain letters."""
    return [
        Contact(first_name=one.first_name, last_name=one.last_name, company_domain=one.company.domain)
        for one in Sandboxed(seed, people).people
        if f"{one.first_name}{one.last_name}".isascii() and f"{one.first_name}{one.last_name}".isalpha()
    ]

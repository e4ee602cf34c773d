"""One person as a vendor is asked about them, in whatever words its API has for that."""

import msgspec

from des.sandbox.population import Person, Population, fold


class Inquiry(msgspec.Struct, frozen=True):
    """A name and a company (its domain or its name), a LinkedIn address, or both."""

    name: str = ""
    company: str = ""
    linkedin_url: str = ""

    @property
    def handle(self) -> str:
        """The last part of the LinkedIn address, or ""."""
        return self.linkedin_url.partition("/in/")[2].partition("?")[0].strip("/").lower()

    @property
    def is_enough(self) -> bool:
        """Whether it tells whom is meant."""
        return bool((self.name and self.company) or self.handle)

    @property
    def key(self) -> str:
        """Under which the book has this person."""
        return f"{fold(self.name)}|{self.company.lower()}" if self.name and self.company else f"linkedin|{self.handle}"

    def person(self, population: Population) -> Person | None:
        """Whom it means, if that person exists."""
        found = population.by_handle(self.handle) if self.handle else None
        return found or (population.find(self.name, self.company) if self.name and self.company else None)

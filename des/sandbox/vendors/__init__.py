"""The vendors of the sandbox, one file each: routes, terms, answers. `VENDORS` is the list a server is made of."""

from collections.abc import Callable

from des.sandbox.desk import Desk, Vendor
from des.sandbox.population import Population
from des.sandbox.vendors.apollo import ApolloDesk
from des.sandbox.vendors.dropcontact import DropcontactDesk
from des.sandbox.vendors.fullenrich import FullEnrichDesk
from des.sandbox.vendors.hunter import HunterDesk
from des.sandbox.vendors.hunter_verifier import HunterVerifierDesk
from des.sandbox.vendors.pdl import PdlDesk
from des.sandbox.vendors.plain import PlainDesk
from des.sandbox.vendors.prospeo import ProspeoDesk

VENDORS: tuple[Callable[[Population, Desk], Vendor], ...] = (
    HunterDesk,
    HunterVerifierDesk,
    PdlDesk,
    ApolloDesk,
    ProspeoDesk,
    DropcontactDesk,
    FullEnrichDesk,
    PlainDesk,
)

"""The vendors of the sandbox, one file each: routes, terms, answers. `VENDORS` is the list a server is made of."""

from collections.abc import Callable

from des.sandbox.desk import Desk, Vendor
from des.sandbox.population import Population
from des.sandbox.vendors.hunter import HunterDesk
from des.sandbox.vendors.plain import PlainDesk

VENDORS: tuple[Callable[[Population, Desk], Vendor], ...] = (HunterDesk, PlainDesk)

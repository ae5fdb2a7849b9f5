"""GoHighLevel's operations: the table in `operations.json`, and the rows this connector keeps contacts with.

Every operation by name, with its parameters, scopes and traps; the first 124 are the ones the product's guides count.
The rule that keeps it true: every row is an operation of the vendor's specification, and what the specification does not say is marked in
the table; nothing else in this folder holds a path.
It must not know: what the calls carry, or what is done with the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Final

from syncd.connectors.catalogue import Catalogue


def _headers(version: str) -> Mapping[str, str]:
    """GHL: specification: the version header is required, and differs from operation to operation."""
    return {"Version": version} if version else {}


CATALOGUE: Final = Catalogue(resources.files(__package__).joinpath("operations.json").read_bytes(), _headers)

SEARCH = CATALOGUE["search-contacts"].operation
DUPLICATE = CATALOGUE["get-duplicate-contact"].operation
GET = CATALOGUE["get-contact"].operation
CREATE = CATALOGUE["create-contact"].operation
UPDATE = CATALOGUE["update-contact"].operation
DELETE = CATALOGUE["delete-contact"].operation
ADD_TAGS = CATALOGUE["add-tags-to-contact"].operation
REMOVE_TAGS = CATALOGUE["remove-tags-from-contact"].operation
CUSTOM_FIELDS = CATALOGUE["list-custom-fields"].operation
LOCATION = CATALOGUE["find-location-by-id"].operation

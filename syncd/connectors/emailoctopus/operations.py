"""EmailOctopus's operations: the table in `operations.json`, and the rows this connector keeps contacts with.

The rule that keeps it true: every row is an operation of the vendor's specification (v2), or says what the specification does not; nothing else in
this folder holds a path.
It must not know: what the calls carry, or what is done with the answers.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from typing import Final

from syncd.connectors.catalogue import Catalogue

CATALOGUE: Final = Catalogue(resources.files(__package__).joinpath("operations.json").read_bytes(), lambda _version: {})

LISTS = CATALOGUE["list-lists"].operation
TAGS = CATALOGUE["list-tags"].operation
GET_LIST = CATALOGUE["get-list"].operation
LIST = CATALOGUE["list-contacts"].operation
GET = CATALOGUE["get-contact"].operation
CREATE = CATALOGUE["create-contact"].operation
UPDATE = CATALOGUE["update-contact"].operation
UPDATE_BATCH = CATALOGUE["update-contacts-batch"].operation
DELETE = CATALOGUE["delete-contact"].operation
# A tag made twice is one tag, and a tag nobody bears is nothing: no doubt is left by a lost answer.
CREATE_TAG = replace(CATALOGUE["create-tag"].operation, writes=False)

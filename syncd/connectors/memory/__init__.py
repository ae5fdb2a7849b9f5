"""A system in memory, for rehearsals and tests of what is built on connectors.

`MemorySystem` is the far side, `MemoryConnector` speaks for it and `MemoryOperations` calls it by name, `FaultKind` names what can be made to go wrong.
The rule that keeps it true: it is a connector like any other and passes the same contract.
It must not know: any vendor.
"""

from __future__ import annotations

from syncd.connectors.memory.connector import CAPABILITIES, FIELDS, MemoryConnector
from syncd.connectors.memory.faults import FaultKind, Faults
from syncd.connectors.memory.operations import MemoryOperations
from syncd.connectors.memory.world import Actor, MemorySystem, Written

__all__ = ["CAPABILITIES", "FIELDS", "Actor", "FaultKind", "Faults", "MemoryConnector", "MemoryOperations", "MemorySystem", "Written"]

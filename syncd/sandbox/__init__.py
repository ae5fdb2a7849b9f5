"""The sandbox: emulators of GoHighLevel, EmailOctopus, ActiveTrail and 17hats behind its flows for demos, tests and rehearsals.

`world.Sandbox` starts them; each vendor is a small web server with a truth log, counters, orderable faults, webhooks
and a control path under `/_sandbox/`. `people` invents who lives in them.

Rule: the sandbox stands alone. It imports nothing from the rest of syncd, so it can only agree with the engine by
agreeing with the vendors' documentation, and it listens on the loopback address only.

It must not know that syncd exists.
"""

from syncd.sandbox.activetrail import ActiveTrail
from syncd.sandbox.bridge import Bridge
from syncd.sandbox.emailoctopus import EmailOctopus
from syncd.sandbox.faults import Fault, FaultKind
from syncd.sandbox.gohighlevel import GoHighLevel
from syncd.sandbox.options import (
    ActiveTrailOptions,
    BridgeOptions,
    CustomField,
    EmailOctopusOptions,
    GoHighLevelOptions,
    ListField,
    SandboxOptions,
    SlotField,
)
from syncd.sandbox.truth import Actor, Applied, Operation
from syncd.sandbox.webhooks import DeliveryMode
from syncd.sandbox.world import Sandbox

__all__ = [
    "ActiveTrail",
    "ActiveTrailOptions",
    "Actor",
    "Applied",
    "Bridge",
    "BridgeOptions",
    "CustomField",
    "DeliveryMode",
    "EmailOctopus",
    "EmailOctopusOptions",
    "Fault",
    "FaultKind",
    "GoHighLevel",
    "GoHighLevelOptions",
    "ListField",
    "Operation",
    "Sandbox",
    "SandboxOptions",
    "SlotField",
]

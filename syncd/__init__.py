"""syncd keeps records equal across SaaS systems, both ways, without losing data.

The tour, in the order a change travels:

* a webhook arrives in `flow.listen`, or `flow.poll` reads a page: both commit to the store's inbox and observations;
* `flow.reread` fetches what was only hinted at;
* `flow.reconcile` loads links by the hundred, asks `core.plan` who wins, and commits the decision with the writes it owes;
* `flow.write` carries the writes out within each vendor's quota and records what the vendor then shows as the new base;
* `flow.notice` tells automations what all of these committed, and `flow.automate` carries out the runs that it begins.

Rooms: `core` decides (pure), `store` remembers (the only SQL), `connectors` speak (the only vendor words), `flow` moves (the only
tasks), `cli` asks, `sandbox` pretends (emulated vendors; knows no other room), `recipes` are ready configurations.
The rule that keeps it true: imports go down, `cli → flow → store | connectors → config → core`, and stages meet only in the store.
"""

__version__ = "0.1.0"

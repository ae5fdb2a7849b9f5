"""MOVE: the only room with tasks.

Stages: `listen` takes webhooks in, `poll` reads listings, `reread` looks at what was hinted, `reconcile` plans, `write` carries out,
`requests` does what the operator asked. Each can crash, lag or run alone, because they meet only in the store.
The rule that keeps it true: stages do not import each other; no transaction spans a call to a vendor; a timer stands behind every bell.
It must not know: vendors' words, SQL, or how anything looks to the operator.
"""

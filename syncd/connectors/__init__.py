"""SPEAK: the only room that knows vendors' words.

Each connector turns one vendor's API into the protocol of `base`; `http` carries the calls within the vendor's quota.
The rule that keeps it true: a vendor's endpoint, header or field name occurs in its own connector and nowhere else.
It must not know: syncs, links, who wins, or where anything is stored. Connectors do not import each other.
"""

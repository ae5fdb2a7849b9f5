"""REMEMBER: the only room with SQL.

Its functions are plain and synchronous: they take an open transaction and return values. `database` runs them, many at a time, beside
the event loop. The rule that keeps it true: what belongs together is committed together, and nothing is acknowledged before that.
A list of keys comes in as JSON and is joined with CROSS JOIN, which has SQLite look each of them up instead of reading a table through.
It must not know: vendors, HTTP, who wins, or why something is owed.
"""

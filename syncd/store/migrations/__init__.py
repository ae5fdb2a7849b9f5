"""The schema's history: numbered SQL files, applied in order, each once.

The rule that keeps it true: a file that was released is never edited; a change is a new file.
It must not know: anything but SQL that both SQLite 3.40 and PostgreSQL 15 can be taught.
"""

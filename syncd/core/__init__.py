"""DECIDE: the pure heart of syncd.

Everything in this room is plain synchronous Python: values go in, a decision comes out.
The rule that keeps it true: no await, clock, randomness, socket, SQL or log; `now` and the rules are arguments.
It must not know: which vendors exist, how records are fetched, where state is kept.
"""

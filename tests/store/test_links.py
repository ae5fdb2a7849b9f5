"""Links: whole in, whole out; one record belongs to one link of a sync."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from syncd.core.link import HubField, Interval, LinkMember, LinkState
from syncd.core.record import LinkId
from syncd.store import links
from tests.store.build import EMAIL, NAME, OTHER, A, B, S, item, linked, ref


def saved(tx, link):
    links.save(tx, [link], 9)
    return links.load(tx, [link.id])[link.id]


def test_a_link_comes_back_whole(tx):
    """Every value of a link survives, with blanks, sets, and intervals without a lower bound."""
    link = links.create(tx, S, {A: ref("1"), B: ref("2", "b")}, 5)
    whole = replace(
        link,
        revision=7,
        state=LinkState.ARCHIVED,
        hub={NAME: HubField(value="Ada", winner=A, rule="only change", interval=Interval(None, 4)), EMAIL: HubField(value=None)},
        members={
            A: LinkMember(ref=ref("1"), base={NAME: "Ada", EMAIL: None}, agreed={NAME: "Ada"}),
            B: LinkMember(ref=ref("2", "b"), base={NAME: ["x", "é"]}, agreed={}, gone=True),
        },
    )

    assert whole == saved(tx, whole)


def test_a_new_link_agrees_to_nothing(tx):
    """It has its members and no hub."""
    link = links.create(tx, S, {A: ref("1")}, 5)

    assert ({}, 0, LinkState.LIVE, {A: LinkMember(ref=ref("1"))}) == (link.hub, link.revision, link.state, link.members)
    assert {link.id: link} == links.load(tx, [link.id, LinkId(99)])


def test_a_record_belongs_to_one_link_of_a_sync(tx):
    """The schema refuses a second one, and allows one in another sync."""
    linked(tx, "1")
    linked(tx, "1", sync=OTHER)

    with pytest.raises(sqlite3.IntegrityError):
        linked(tx, "1")


def test_a_member_moves_to_another_record(tx):
    """A merge, or a record made again: the old record is free, and is linked no more."""
    link = links.load(tx, [linked(tx, "1")]).popitem()[1]
    moved = saved(tx, link.with_member(A, LinkMember(ref=ref("9"), base={NAME: "x"})))

    assert (ref("9"), {NAME: "x"}, ref("1", "b")) == (moved.members[A].ref, moved.members[A].base, moved.members[B].ref)
    assert {item("9"): link.id} == links.links_of(tx, [item("9"), item("1")])
    assert link.id != linked(tx, "1", "2")


def test_two_links_exchange_records(tx):
    """Saved together, two links may swap what they hold."""
    one, two = (links.load(tx, [number])[number] for number in (linked(tx, "1"), linked(tx, "2")))
    links.save(tx, [one.with_member(A, two.members[A]), two.with_member(A, one.members[A])], 9)

    assert {item("1"): two.id, item("2"): one.id} == links.links_of(tx, [item("1"), item("2")])


def test_a_member_that_lost_its_record_has_no_row(tx):
    """A side without a record is a side that is not there."""
    link = links.load(tx, [linked(tx, "1")]).popitem()[1]
    after = saved(tx, link.with_member(B, LinkMember()))

    assert {A} == set(after.members)
    assert {} == links.links_of(tx, [item("1", B)])


def test_every_live_link_has_one_item(tx):
    """One item a live link is enough to have it planned; ended links have none."""
    live, dead = linked(tx, "1"), linked(tx, "2")
    links.save(tx, [replace(links.load(tx, [dead])[dead], state=LinkState.DELETED)], 9)
    found = links.every_item(tx, S)

    assert ([live], 1) == (list(links.links_of(tx, found).values()), links.count_live(tx, S))
    assert 1 == len(found)


def test_a_records_links_are_found_in_every_sync(tx):
    """By system and id, whatever the sync."""
    one, two = linked(tx, "1"), linked(tx, "1", sync=OTHER)

    assert [(one, A), (two, A)] == links.find_record(tx, "a", "1")

"""What the simulator has found before, each as a short script that must pass for ever: databases that were put back, and rows that were damaged.

Every test's docstring tells what went wrong once.
"""

from __future__ import annotations

from tests.sim.script import Act, Strike
from tests.sim.story import holds, story


def test_a_restored_listing_is_no_listing_of_now():
    """After a restore the old listing counted as recent, and what had been made since was made again without a look."""
    holds(story(
        Strike(kind="garbage", at=0, until=3, most=1, system=0, operation="page"),
        Strike(kind="restore", at=113.2, until=119, most=1, amount=300), start="one", latency=1.5, seed=151,
    ))  # fmt: skip


def test_a_restore_just_after_a_create():
    """The vendor's index was 20 s behind, so neither listing nor look-up showed what had been made before the restore: made twice."""
    holds(story(
        Strike(kind="restore", at=5.892, until=8.892, rate=0.5, most=1, operation="find", amount=300, salt=337639832),
        habits=({}, {"lag": 20_000_000}), start="one", disk_s=0.2, latency=1.5, minutes=4.0, seed=80313,
    ))  # fmt: skip


def test_a_restore_where_nothing_can_be_looked_for():
    """After a restore creates went out while the first listing of that life was still under way."""
    holds(story(
        Strike(kind="restore", at=62.62, until=157.314, rate=0.5, most=1, system=2, operation="delete", amount=300, salt=697009502),
        habits=({"page_size": 2}, {}, {"page_size": 1, "find": False}), people=4, delete="unlink", start="one", disk_s=0.02, latency=1.5,
        minutes=5.0, seed=81853,
    ))  # fmt: skip


def test_a_damaged_link_beside_a_write_that_leaves():
    """A link was taken apart, and the write that was just leaving for one of its records with it: nothing knew of that call any more."""
    holds(story(
        Strike(kind="timeout_after", at=53.19, until=56.911, rate=0.5, most=2, salt=851404879),
        Strike(kind="flip", at=59.241, until=87.733, rate=0.5, most=1, operation="get", salt=954427938),
        Act(kind="tag", at=53.409, system=2, path="note", salt=67229912),
        habits=({}, {}, {"webhooks": "hint"}), shuffle=True, start="mixed", disk_s=0.02, latency=0.02, minutes=4.0, seed=130787,
    ))  # fmt: skip


def test_a_damaged_link_beside_its_create():
    """A link was taken apart and its records linked anew while a create for it was in the air: two records."""
    holds(story(
        Strike(kind="suspend", at=26.053, until=43.444, rate=0.5, most=1, system=1, operation="get", amount=4000, salt=707882384),
        Strike(kind="flip", at=246.673, until=249.673, rate=0.5, most=1, system=2, operation="create", salt=680190535),
        habits=({}, {}, {}), delete="archive", first_run="review", start="mixed", seed=142105,
    ))  # fmt: skip


def test_a_create_that_a_copy_still_owed():
    """The copy was made between owing a create and sending it; put back after it had been sent, it was sent again."""
    holds(story(
        Strike(kind="restore", at=54.373, until=57.373, rate=0.9, most=1, amount=300, salt=645292608),
        habits=({}, {"find": False}), delete="review", hops=5, start="one", disk_s=0.2, minutes=4.0, seed=142758,
    ))  # fmt: skip


def test_a_write_that_cannot_be_settled():
    """A write left over from a damaged link could not be settled, and nothing else was written to that system ever after."""
    holds(story(
        Strike(kind="rejected", at=79.153, until=180.446, rate=0.9, most=5, operation="get", salt=104830193),
        Strike(kind="hook_order", at=79.782, until=189.754, rate=0.9, most=5, operation="page", amount=60, salt=250323511),
        Strike(kind="lag_more", at=80.324, until=173.88, rate=0.1, most=5, operation="page", amount=5, salt=545436547),
        Strike(kind="restore", at=81.597, until=111.333, most=1, operation="update", amount=300, salt=930719792),
        Strike(kind="flip", at=157.996, until=160.996, rate=0.9, most=1, operation="find", salt=986732418),
        Strike(kind="config", at=261.793, until=270.386, most=1, operation="delete", salt=540884739),
        Act(kind="edit", at=81.308, person=3, system=0, path="tags", salt=115089353),
        Act(kind="edit", at=81.36, person=1, system=1, path="tags", salt=130230774),
        habits=({"incremental": True}, {"page_size": 1, "modified_time": False, "webhooks": "hint"}), people=4, fields=("tags",),
        delete="unlink", first_run="review", shuffle=True, operator=True, hops=5, minutes=5.0, seed=143442,
    ))  # fmt: skip


def test_an_old_copy_and_a_listing_without_addresses():
    """An older copy was put back while the listing left the address out: two sources failed at once, which the simulator did not excuse."""
    holds(story(
        Strike(kind="masked", at=94.488, until=300.0, rate=0.5, operation="page", salt=99475618),
        Strike(kind="restore", at=175.207, until=179.358, most=1, operation="create", amount=300, salt=1007987525),
        habits=({"page_size": 1}, {"page_size": 1}), people=5, delete="review", start="one", latency=1.5, minutes=5.0, seed=302058,
    ))  # fmt: skip

"""Values to bytes and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncd.store.codec import fingerprint, pack, unpack

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(JSON)
def test_what_was_packed_comes_back(value):
    """Packing loses nothing."""
    assert value == unpack(pack(value))


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_order_does_not_matter(value):
    """Equal mappings give equal bytes and fingerprints, in whatever order they were made."""
    turned = dict(reversed(value.items()))

    assert (pack(value), fingerprint(value)) == (pack(turned), fingerprint(turned))


def test_nothing_is_nothing():
    """NULL is None, and so is a packed None; true and 1 are not the same."""
    assert [None, None] == [unpack(None), unpack(pack(None))]
    assert fingerprint(True) != fingerprint(1)

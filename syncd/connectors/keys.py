"""The keys that a vendor's webhooks may be proved by: several at once, so that one can replace another without a delivery being refused.

The rule that keeps it true: every key is tried, each for as long as any other, and all that is ever told of a key is its name.
It must not know: what is signed, how, or by whom.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Key:
    """One shared secret, by the name of the setting that holds it."""

    name: str
    secret: bytes = field(repr=False)


def keys_of(**settings: SecretStr | None) -> tuple[Key, ...]:
    """The settings that are set, in order; an empty one is none."""
    return tuple(
        Key(name, text.encode()) for name, secret in settings.items() if secret is not None and (text := secret.get_secret_value())
    )


def holding(keys: Iterable[Key], offered: Iterable[str], expected: Callable[[bytes], bytes]) -> str | None:
    """The name of a key by which one of the offered proofs is the expected one; None where there is none.

    Compared as bytes: a header may hold any character, and only bytes of any kind can be compared in constant time.
    """
    given = [each.encode("utf-8", "surrogateescape") for each in offered]
    wanted = [(key.name, expected(key.secret)) for key in keys]
    found = [name for name, each in wanted for one in given if hmac.compare_digest(one, each)]
    return found[0] if found else None

"""Invented names, and the many ways one telephone number is written.

Rule: nothing here belongs to anybody. Mail domains are the reserved `example` ones and telephone numbers the 555-01xx
ones set aside for fiction.

It must not know vendors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from random import Random

import phonenumbers

_FIRST = [
    "Ada",
    "Bram",
    "Cleo",
    "Dario",
    "Edda",
    "Finn",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Kira",
    "Lars",
    "Maren",
    "Nils",
    "Odette",
    "Pavel",
    "Quinn",
    "Rosa",
    "Sven",
    "Tilda",
    "Ulla",
    "Viktor",
    "Wanda",
    "Xaver",
    "Yara",
    "Zeno",
    "Alma",
    "Boris",
    "Carla",
    "Dagny",
    "Emil",
    "Flora",
    "Gustav",
    "Hedda",
    "Igor",
    "Juno",
    "Klara",
    "Leopold",
    "Mila",
    "Nora",
    "Otto",
    "Petra",
    "Runa",
    "Silas",
    "Thea",
    "Urban",
    "Vera",
    "Willem",
    "Yvo",
    "Zita",
]
_LAST = [
    "Vance",
    "Holm",
    "Okafor",
    "Lindqvist",
    "Marsh",
    "Petrov",
    "Abara",
    "Quist",
    "Tanaka",
    "Rowe",
    "Brandt",
    "Sorel",
    "Dumas",
    "Ferro",
    "Galvez",
    "Hart",
    "Iversen",
    "Jansen",
    "Kato",
    "Lowell",
    "Mbeki",
    "Novak",
    "Orlov",
    "Prior",
    "Ramos",
    "Stark",
    "Thorne",
    "Ueda",
    "Varga",
    "Winter",
    "Young",
    "Zeller",
    "Ash",
    "Birch",
    "Cole",
    "Drake",
]
_DOMAINS = ("example.com", "example.org", "example.net")
SOURCES = ("website", "referral", "conference", "webinar")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An invented person, as both vendors would know them if nobody had mistyped."""

    first_name: str
    last_name: str
    email: str
    phone: str
    plan: str | None
    source: str
    tags: tuple[str, ...]

    @property
    def full_name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"


def invent(random: Random, number: int) -> Person:
    """A person whose e-mail no other number shares, nor for the first 38,000 the phone."""
    first, last = random.choice(_FIRST), random.choice(_LAST)
    return Person(
        first_name=first,
        last_name=last,
        email=f"{first}.{last}.{number}@{random.choice(_DOMAINS)}".lower(),
        phone=_number(number),
        plan=random.choice(("gold", "silver", "free", None)),
        source=random.choice(SOURCES),
        tags=tuple(random.sample(("customer", "newsletter", "vip"), random.randint(0, 2))),
    )


def fresh_phones(random: Random) -> Iterator[str]:
    """Numbers from the end of the range, which `invent` reaches last; five thousand before one comes again, for two of whom it would be held."""
    while True:
        yield from (_number(-1 - number) for number in random.sample(range(5_000), 5_000))


def written_phone(random: Random, e164: str) -> str:
    """The number the way people type it."""
    area, exchange, line = e164[2:5], e164[5:8], e164[8:]
    return random.choice(
        (e164, f"({area}) {exchange}-{line}", f"{area}-{exchange}-{line}", f"+1 {area} {exchange} {line}", e164[2:])
    )


def written_email(random: Random, email: str) -> str:
    """The address the way people type it: sometimes with capitals."""
    return email if random.random() < 0.7 else email.title()


@cache
def _areas() -> tuple[int, ...]:
    """The American area codes in which the fictional numbers pass for valid."""
    found = (area for area in range(200, 1000) if phonenumbers.is_valid_number(_parsed(f"+1{area}5550100")))
    return tuple(area for area in found if phonenumbers.region_code_for_number(_parsed(f"+1{area}5550100")) == "US")


def _parsed(e164: str) -> phonenumbers.PhoneNumber:
    return phonenumbers.parse(e164)


def _number(number: int) -> str:
    """A hundred fictional lines, 555-0100 to 555-0199, in each area: some 38,000 numbers before one comes again."""
    areas = _areas()
    return f"+1{areas[number // 100 % len(areas)]}5550{100 + number % 100}"

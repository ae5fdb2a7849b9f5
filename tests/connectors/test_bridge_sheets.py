"""Exported files: whatever program wrote them, each line is a word, a repetition, or listed with its number and the reason."""

from __future__ import annotations

import csv
import io

import pytest

from syncd.connectors.bridge.hats17 import SHAPES
from syncd.connectors.bridge.shapes import Shape
from syncd.connectors.bridge.sheets import read_sheet, written
from syncd.core.errors import UserError
from syncd.core.record import CollectionName

CONTACTS = CollectionName("contacts")
SHAPE: Shape = SHAPES["contacts"]


def sheet(text, encoding="utf-8", **other):
    data = text if isinstance(text, bytes) else text.encode(encoding)
    return read_sheet(data, CONTACTS, SHAPE, said_at=1, **other)


def told(found):
    return [each.said.fields for each in found.lines]


def test_a_plain_file():
    """Headings by whatever name, in any order; those that mean nothing here are not taken, and are told."""
    found = sheet('First Name,E-mail,Favourite Colour,Contact Tags,Birthday\nAda,Ada@B.co,red,"vip, lead",1990-02-03\n')

    assert {"First Name": "first_name", "E-mail": "email", "Favourite Colour": None, "Contact Tags": "tags", "Birthday": "birthday"} == found.columns
    assert [{"first_name": "Ada", "email": "Ada@B.co", "tags": ["lead", "vip"], "birthday": "1990-02-03"}] == told(found)
    assert (("email=ada@b.co",), None, 2) == (found.lines[0].said.keys, found.lines[0].said.vendor_id, found.lines[0].number)


@pytest.mark.parametrize(
    ("encoding", "mark", "named"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8", b"\xef\xbb\xbf", "utf-8-sig"),
        ("utf-16-le", b"\xff\xfe", "utf-16"),
        ("utf-16-be", b"\xfe\xff", "utf-16"),
        ("utf-16-le", b"", "utf-16-le"),
        ("utf-16-be", b"", "utf-16-be"),
        ("cp1252", b"", "cp1252"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_file_of_any_making(encoding, mark, named, end, delimiter):
    """Encodings, marks, ends of lines and delimiters all read alike."""
    rows = [["Email", "First Name", "Notes"], ["a@b.co", "Zoë", "“so” she said"], ["c@b.co", "Jürgen", ""]]
    text = end.join(delimiter.join(row) for row in rows) + end
    found = sheet(mark + text.encode(encoding))

    assert named == found.encoding
    assert [("Zoë", "“so” she said"), ("Jürgen", None)] == [(each["first_name"], each["notes"]) for each in told(found)]


def test_quotes_newlines_and_what_is_broken():
    """A cell may hold anything in quotes; a quote that is not closed costs its own line and none behind it."""
    text = (
        'Email,First Name,Notes\n'
        'a@b.co,"Ada ""the first""","two\nlines, and a comma"\n'
        'b@b.co,"Bob,open\n'
        'c@b.co,Cid,\n'
        'd@b.co,"Dan"x,\n'
        'e@b.co,Eve\n'
        ',Nobody,\n'
        'not an address,Nobody,\n'
        '\n'
        'f@b.co,Flo,"end"\n'
    )
    found = sheet(text)

    assert [("a@b.co", 2), ("c@b.co", 5), ("f@b.co", 11)] == [(each.said.fields["email"], each.number) for each in found.lines]
    assert "two\nlines, and a comma" == found.lines[0].said.fields["notes"]
    assert 'Ada "the first"' == found.lines[0].said.fields["first_name"]
    assert [4, 6, 7, 8, 9] == [number for number, _ in found.bad]
    assert ["quote", "quote", "2 cells", "neither email nor phone", "neither email nor phone"] == [
        next(each for each in ("quote", "2 cells", "neither email nor phone") if each in reason) for _, reason in found.bad
    ]


def test_repeated_and_contradicting_lines():
    """The same said twice is a repetition; other things said of one record are listed, for nothing tells which holds."""
    found = sheet("Email,First Name\na@b.co,Ada\nA@b.co ,Ada\na@b.co,Ada\na@b.co,Other\n")

    assert 1 == len(found.lines)
    assert [(4, 2)] == list(found.repeated)
    assert [3, 5] == [number for number, _ in found.bad]
    assert "line 2" in found.bad[0][1]


def test_two_of_one_address_are_two_where_the_file_has_ids():
    """Then the id tells them apart."""
    found = sheet("Contact ID,Email,First Name\n1,a@b.co,Ada\n2,a@b.co,Bob\n")

    assert ["1", "2"] == [each.said.vendor_id for each in found.lines]


def test_a_value_that_is_none_of_its_type_is_taken_as_it_is():
    """And told: the sync holds that field alone."""
    found = sheet("Email,Phone,Birthday\na@b.co,call me,03/04/1990\n")

    assert {"email": "a@b.co", "phone": "call me", "birthday": "03/04/1990"} == told(found)[0]
    assert {"phone", "birthday"} == set(found.lines[0].unread)


def test_headings_can_be_explained():
    """Where a file names them like nobody else."""
    text = "Who,Where to\nAda,a@b.co\n"
    with pytest.raises(UserError, match="no heading"):
        sheet(text)
    with pytest.raises(UserError, match="no field 'mail'"):
        sheet(text, columns={"Where to": "mail"})
    with pytest.raises(UserError, match="no heading 'Wo'"):
        sheet(text, columns={"Wo": "email"})

    assert [{"email": "a@b.co", "first_name": "Ada"}] == told(sheet(text, columns={"Where to": "email", "Who": "first_name"}))


@pytest.mark.parametrize("data", [b"", b"\n\n", b"PK\x03\x04\0\0\0", b'"never closed'])
def test_what_is_no_such_file(data):
    """Is said in words."""
    with pytest.raises(UserError):
        sheet(data)


def test_five_thousand_lines():
    """With a mark, quotes, repetitions and broken lines: everything is accounted for, and nothing is lost."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["Email", "First Name", "Phone", "Tags", "Notes"])
    for number in range(5_000):
        writer.writerow([f"p{number}@b.co", f'P "{number}"', f"202555{number:04}", "vip, lead", "one\r\ntwo" if number % 100 == 0 else ""])
    lines = out.getvalue()
    repeated = "".join(f'p{number}@b.co,"P ""{number}""",202555{number:04},"vip, lead",\r\n' for number in range(1, 100))
    broken = "".join(f'x{number}@b.co,"open\r\n' for number in range(100))
    tail = "last@b.co,Last,,,\r\n"
    found = sheet(b"\xef\xbb\xbf" + (lines + repeated + broken + tail).encode())

    assert (5_001, 99, 100) == (len(found.lines), len(found.repeated), len(found.bad))
    assert {f"p{number}@b.co" for number in range(5_000)} | {"last@b.co"} == {each.said.fields["email"] for each in found.lines}
    text = lines + repeated + broken + tail
    starts = [number for number, line in enumerate(text.split("\r\n"), start=1) if line.startswith("x")]
    assert starts == [number for number, _ in found.bad]


def test_what_is_written_for_the_importer():
    """Its form of telephone numbers, only columns that say something, and nothing that a spreadsheet would run."""
    rows = [
        {"email": "a@b.co", "first_name": "Ada", "phone": "+12025550100", "tags": ["vip", "lead"], "is_company": False},
        {"email": "b@b.co", "first_name": "=cmd()", "phone": "+442071838750", "is_company": True},
    ]
    text, marked = written(rows, SHAPE)

    assert [
        ["Is Company?", "First Name", "Primary E-mail Address", "Primary Phone Number", "Tags"],
        ["No", "Ada", "a@b.co", "202-555-0100", "vip, lead"],
        ["Yes", "'=cmd()", "b@b.co", "+442071838750", ""],
    ] == list(csv.reader(io.StringIO(text)))
    assert 1 == marked
    assert ["a@b.co", "b@b.co"] == [each["email"] for each in told(sheet(text))]

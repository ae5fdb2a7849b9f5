"""Exported files: the lines of a CSV as words about records, and records as a CSV that an importer takes.

The rule that keeps it true: no line is lost: each is either a word, or a repetition of an earlier one, or listed with its number and the
reason; a quote that is never closed costs its own line and not those behind it.
It must not know: what is known already, or who asked.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from syncd.connectors.bridge.shapes import Shape, word
from syncd.core.errors import UserError
from syncd.core.fields import FieldType, Unreadable, read
from syncd.core.handoff import Said
from syncd.core.record import CollectionName, Json, Micros

BYTES_MAX = 64 * 1024 * 1024
_CELL_MAX = 1_000_000
_ROW_LINES_MAX = 200
_DELIMITERS = ",;\t"
_FORMULA = ("=", "+", "-", "@", "\t")
# Programs name the same things differently; by what remains of a heading without spaces and signs.
_ALIASES = {
    "emailaddress": "email", "primaryemail": "email", "mail": "email", "emails": "email", "phonenumber": "phone", "primaryphone": "phone",
    "mobile": "phone", "mobilephone": "phone", "cell": "phone", "cellphone": "phone", "firstname": "first_name", "lastname": "last_name",
    "company": "company_name", "companyname": "company_name", "contacttype": "type", "address": "address_1", "street": "address_1",
    "address1": "address_1", "address2": "address_2", "addressline1": "address_1", "addressline2": "address_2", "postalcode": "zip",
    "zippostalcode": "zip", "stateprovince": "state", "contacttags": "tags", "referral": "referred_by", "dateofbirth": "birthday",
}  # fmt: skip
_IDS = frozenset({"id", "contactid", "17hatsid"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line that says something of a record. `unread` names the fields whose values are none of their type; they are kept as they are."""

    number: int
    said: Said
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A file, read whole. `columns` maps its headings to fields (None: not taken); `bad` and `repeated` are lines with the reason."""

    encoding: str
    columns: Mapping[str, str | None]
    lines: tuple[Line, ...]
    bad: tuple[tuple[int, str], ...]
    repeated: tuple[tuple[int, int], ...]

    @property
    def total(self) -> int:
        """How many lines the file has beside its heading."""
        return len(self.lines) + len(self.bad) + len(self.repeated)


def read_sheet(
    data: bytes,
    collection: CollectionName,
    shape: Shape,
    *,
    said_at: Micros,
    region: str = "US",
    encoding: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> Sheet:
    """A CSV file as words about records. `columns` names the field of a heading that would not be understood.

    Raises UserError where nothing in it can be told apart.
    """
    text, found = _decoded(data, encoding)
    rows = _rows(text)
    first = next(rows, None)
    if first is None or isinstance(first[1], str):
        raise UserError("the file has no line of headings", hint="export it with headings, as CSV")
    headings = [each.strip() for each in first[1]]
    paths = _paths(headings, shape, columns or {})
    if not any(path in shape.keys for path in paths):
        wanted = " or ".join(word(path) for path in shape.keys) or "a key"
        raise UserError(
            f"no heading of the file means {wanted}, so no line could be told from another",
            hint=f'say which: --column "HEADING={word(shape.keys[0]) if shape.keys else "FIELD"}"; there are: {", ".join(headings)}',
        )
    reader = _Reader(collection, shape, paths, said_at, region)
    for number, cells in rows:
        reader.take(number, cells)
    shown = {heading: _meaning(path) for heading, path in zip(headings, paths, strict=True)}
    return Sheet(encoding=found, columns=shown, lines=tuple(reader.lines), bad=tuple(sorted(reader.bad)), repeated=tuple(reader.repeated))


class _Reader:
    """Makes words of rows, and tells repetitions from contradictions."""

    def __init__(self, collection: CollectionName, shape: Shape, paths: Sequence[str | None], said_at: Micros, region: str) -> None:
        self._collection, self._shape, self._paths, self._said_at, self._region = collection, shape, paths, said_at, region
        self.lines: list[Line] = []
        self.bad: list[tuple[int, str]] = []
        self.repeated: list[tuple[int, int]] = []
        self._first: dict[str, Line] = {}

    def take(self, number: int, cells: list[str] | str) -> None:
        """One row, or what is wrong with it."""
        if isinstance(cells, str):
            self.bad.append((number, cells))
            return
        if len(cells) != len(self._paths):
            self.bad.append((number, f"has {len(cells)} cells where the headings are {len(self._paths)}"))
            return
        line = self._line(number, cells)
        if line is None:
            self.bad.append((number, f"shows neither {' nor '.join(word(path) for path in self._shape.keys)} that can be read"))
            return
        name = line.said.vendor_id or line.said.keys[0]
        earlier = self._first.get(name)
        if earlier is None:
            self._first[name] = line
            self.lines.append(line)
        elif earlier.said == line.said:
            self.repeated.append((number, earlier.number))
        else:
            self.bad.append((number, f"says other things of the same record as line {earlier.number}, and nothing tells which holds"))

    def _line(self, number: int, cells: list[str]) -> Line | None:
        told = {path: cell for path, cell in zip(self._paths, cells, strict=True) if path is not None}
        vendor_id = str(told.pop(_ID, "")).strip() or None
        fields = self._shape.taken({word(path): cell for path, cell in told.items()})
        unread = tuple(word(path) for path, value in fields.items() if isinstance(self._read(path, value), Unreadable))
        keys = self._shape.natural_keys({path: value for path, value in fields.items() if word(path) not in unread})
        if not keys and vendor_id is None:
            return None
        said = Said(collection=self._collection, vendor_id=vendor_id, fields=fields, keys=keys, said_at=self._said_at)
        return Line(number=number, said=said, unread=unread)

    def _read(self, path: str, value: Json) -> Json | Unreadable:
        return read(self._shape.fields[path].type, value, self._region)


_ID = "\0id"


def _meaning(path: str | None) -> str | None:
    return None if path is None else "id" if path == _ID else word(path)


def _decoded(data: bytes, encoding: str | None) -> tuple[str, str]:
    """The text and the encoding it was in: what its first bytes say, else UTF-8, else what Windows writes in the west."""
    if len(data) > BYTES_MAX:
        raise UserError(f"the file has more than {BYTES_MAX // 1024 // 1024} MiB", hint="split it")
    marks = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
    marked = next((name for mark, name in marks if data.startswith(mark)), None)
    marked = marked or _unmarked_utf_16(data)
    tried = [encoding] if encoding is not None else [marked] if marked is not None else ["utf-8", "cp1252", "latin-1"]
    for name in tried:
        try:
            text = data.decode(name)
        except LookupError as error:
            raise UserError(f"there is no encoding {name!r}", hint="utf-8, utf-16, cp1252 and latin-1 are usual") from error
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            raise UserError("the file is no text", hint="export it as CSV, not as a spreadsheet")
        return text, name
    raise UserError(f"the file is not {' nor '.join(tried)}", hint="say what it is: --encoding NAME")


def _unmarked_utf_16(data: bytes) -> str | None:
    """UTF-16 that does not say so: every other byte of its first heading is none."""
    start = data[:8]
    for name, others, nothing in (("utf-16-le", start[0::2], start[1::2]), ("utf-16-be", start[1::2], start[0::2])):
        if nothing and not any(nothing) and all(others):
            return name
    return None


def _rows(text: str) -> Iterator[tuple[int, list[str] | str]]:
    """Each row with the number of the line it begins in; in the place of one that is broken, what is wrong with it."""
    lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", text)
    delimiter = max(_DELIMITERS, key=lines[0].count) if lines else ","
    width, at = None, 0
    csv.field_size_limit(_CELL_MAX)
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        cells, used = _row(lines, at, delimiter)
        broken = cells is None or (used > 1 and width is not None and len(cells) != width)
        if broken or cells is None:
            # Whatever was taken for the inside of a quote are lines of their own.
            yield at + 1, "has a quote that is not closed, or one too many"
            at += 1
            continue
        width = width or len(cells)
        yield at + 1, cells
        at += used


def _row(lines: Sequence[str], at: int, delimiter: str) -> tuple[list[str] | None, int]:
    """The row that begins in a line, and how many lines it takes; None where it cannot be read."""
    reader = csv.reader((lines[place] for place in range(at, min(at + _ROW_LINES_MAX, len(lines)))), delimiter=delimiter, strict=True)
    try:
        return next(reader), reader.line_num
    except (csv.Error, StopIteration):
        return None, 1


def _paths(headings: Sequence[str], shape: Shape, said: Mapping[str, str]) -> list[str | None]:
    """The field of each heading: as it was said, else by its name, else by what the field is called, else by what others call it."""
    names = {_bare(word(path)): path for path in shape.fields} | {_bare(spec.label): path for path, spec in shape.fields.items() if spec.label}
    if missing := sorted(said.keys() - set(headings)):
        raise UserError(f"the file has no heading {missing[0]!r}", hint=f"there are: {', '.join(headings)}")
    taken: set[str] = set()
    paths: list[str | None] = []
    for heading in headings:
        path = _path(heading, shape, names, said)
        # Of two headings that mean the same, the first is taken.
        paths.append(path if path not in taken else None)
        taken |= {path} if path is not None else set()
    return paths


def _path(heading: str, shape: Shape, names: Mapping[str, str], said: Mapping[str, str]) -> str | None:
    if heading in said:
        if said[heading] == "id":
            return _ID
        found = shape.by_word.get(said[heading])
        if found is None:
            raise UserError(f"there is no field {said[heading]!r}", hint=f"there are: id, {', '.join(sorted(shape.by_word))}")
        return found
    bare = _bare(heading)
    return names.get(bare) or shape.by_word.get(_ALIASES.get(bare, "")) or (_ID if bare in _IDS else None)


def _bare(text: str) -> str:
    return "".join(each for each in text.casefold() if each.isalnum())


def written(rows: Sequence[Mapping[str, Json]], shape: Shape) -> tuple[str, int]:
    """Records as a CSV for 17hats' own importer, and how many cells were marked so that no spreadsheet runs them as a formula.

    Only columns that hold something; telephone numbers of the country code 1 as 888-888-8888, which is how the importer wants them.
    """
    paths = [path for path in shape.fields if any(row.get(path) is not None for row in rows)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([shape.fields[path].label or word(path) for path in paths])
    marked = 0
    for row in rows:
        cells = [_cell(shape.fields[path].type, row.get(path)) for path in paths]
        dangerous = [cell.startswith(_FORMULA) and shape.fields[path].type is not FieldType.PHONE for path, cell in zip(paths, cells, strict=True)]
        marked += sum(dangerous)
        writer.writerow([f"'{cell}" if mark else cell for cell, mark in zip(cells, dangerous, strict=True)])
    return out.getvalue(), marked


def _cell(kind: FieldType, value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if kind is FieldType.PHONE and (match := re.fullmatch(r"\+1(\d{3})(\d{3})(\d{4})", str(value))):
        return "-".join(match.groups())
    return str(value)

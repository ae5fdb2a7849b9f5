"""A right configuration becomes exactly the settings and rules it says."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from syncd.config import Address, AlertSettings, DaemonSettings, LogLevel, Report, Settings, load
from syncd.config.durations import parse_duration, spell_duration
from syncd.core.errors import UserError
from syncd.core.fields import FieldType
from syncd.core.record import DAY, HOUR, MINUTE, SECOND
from syncd.core.rules import BlankRule, Cap, ConflictRule, DeleteRule, FirstRun, Guards, MemberField


@pytest.fixture
def settings(good: str, checking: Callable[[str], Report]) -> Settings:
    settings = checking(good).settings
    assert settings is not None
    return settings


def test_systems(settings: Settings) -> None:
    """A system has its kind, its region and its connector's own options."""
    crm = settings.systems["crm"]

    assert ("crm", "crm", "GB", "ABC123") == (crm.name, crm.kind, crm.region, crm.options.location_id)
    assert "US" == settings.systems["mail"].region


def test_members(settings: Settings) -> None:
    """A member has its system's region, its collection's full name, its constants and what the vendor asks of new records."""
    crm, mail = settings.syncs["people"].members.values()

    assert ("crm", "contacts", "GB", "email exists") == (crm.system, crm.collection, crm.region, crm.when.text)
    assert ("mail", "contacts@L1", "US", "always") == (mail.system, mail.collection, mail.region, mail.when.text)
    assert (frozenset(), frozenset({"email"})) == (crm.required, mail.required)
    assert ({}, {"status": "subscribed"}) == (crm.create, mail.create)
    assert ({"dnd": True}, {"status": "unsubscribed"}) == (crm.archive, mail.archive)


def test_a_member_may_make_none(good: str, checking: Callable[[str], Report]) -> None:
    """Then what its vendor asks of a new record is asked of nobody."""
    text = good.replace('create = { status = "subscribed" }', "create = false").replace('mail = "email_address" }', 'mail = "fields.Email" }')
    report = checking(text)

    assert () == report.problems
    assert report.settings is not None
    assert [True, False] == [each.creates for each in report.settings.syncs["people"].members.values()]  # type: ignore[index]


def test_create_gives_what_is_required(good: str, checking: Callable[[str], Report]) -> None:
    """What `create` gives need not be mapped, and is not asked of the hub."""
    report = checking(good.replace('create = { status = "subscribed" }', 'create = { email_address = "nobody@example.com" }'))

    assert frozenset() == report.settings.syncs["people"].members["mail"].required


def test_a_secret_of_a_new_record(good: str, checking: Callable[[str], Report], tmp_path: Path) -> None:
    """What a new record needs and nobody may see is named like any secret, read from where it is kept, and never shown."""
    (tmp_path / "password").write_text("correct horse\n")
    (tmp_path / "password").chmod(0o600)
    report = checking(good.replace("archive = { dnd = true }", 'create = { password = { file = "password" } }, archive = { dnd = true }'))
    member = report.settings.syncs["people"].members["crm"]

    assert {"password": "correct horse"} == member.create
    assert "correct horse" not in repr(member)


def test_how_often_all_is_listed(good: str, checking: Callable[[str], Report]) -> None:
    """A member may say it; otherwise its collection's usual pace holds."""
    report = checking(good.replace("archive = { dnd = true }", 'pass_every = "36h", archive = { dnd = true }'))
    crm, mail = report.settings.syncs["people"].members.values()

    assert (36 * HOUR, None) == (crm.pass_every, mail.pass_every)


def test_rows(settings: Settings) -> None:
    """A row says who speaks, who is written, and how each member holds the field."""
    rows = settings.syncs["people"].fields
    both = frozenset({"crm", "mail"})

    assert ["email", "name", "phone", "tags", "plan", "since"] == list(rows)
    assert (both, both, None) == (rows["email"].sources, rows["email"].targets, rows["email"].owner)
    assert (both, both, "crm") == (rows["phone"].sources, rows["phone"].targets, rows["phone"].owner)
    assert ({"crm"}, {"mail"}) == (rows["since"].sources, rows["since"].targets)
    assert MemberField(paths=("firstName", "lastName"), transform="split_name") == rows["name"].members["crm"]
    assert MemberField(paths=("dateAdded",), writable=False, creatable=False) == rows["since"].members["crm"]
    assert (FieldType.TEXT, BlankRule.PROPAGATE) == (rows["name"].type, rows["name"].blank)


def test_choices(settings: Settings) -> None:
    """A choice maps every hub word to each member's own, itself where nothing is said."""
    plan = settings.syncs["people"].fields["plan"]

    assert frozenset({"gold", "free"}) == plan.choices
    assert {"gold": "gold", "free": "free"} == plan.members["crm"].values
    assert {"gold": "Gold", "free": "free"} == plan.members["mail"].values


def test_words_of_a_set(good: str, checking: Callable[[str], Report]) -> None:
    """A set renames the words listed and lets others pass."""
    report = checking(good.replace('mail = "tags" }', 'mail = "tags", values = { vip = { mail = "VIP-list" } } }'))
    tags = report.settings.syncs["people"].fields["tags"]

    assert None is tags.choices
    assert {"vip": "VIP-list"} == tags.members["mail"].values


def test_heads(settings: Settings) -> None:
    """What is not said has the safe default."""
    rules = settings.syncs["people"]

    assert (("email", "phone"), "crm") == (rules.match, rules.source_of_truth)
    assert (ConflictRule.LAST_MODIFIED, DeleteRule.ARCHIVE, FirstRun.REVIEW) == (rules.conflict, rules.delete, rules.first_run)
    assert Guards() == rules.guards


def test_guards(good: str, checking: Callable[[str], Report]) -> None:
    """Each cap can be set by itself; the others stay as they are."""
    guards = (
        'guards = { deletes = { number = 3 }, creates = { share = 1 }, missing_share = 0.5, window = "2h", delete_grace = "0s" }'
    )
    report = checking(good.replace("[syncs.people.members]", guards + "\n[syncs.people.members]"))
    wanted = Guards(
        deletes=Cap(number=3, share=0.02), creates=Cap(number=100, share=1.0), missing_share=0.5, window=2 * HOUR, delete_grace=0
    )

    assert wanted == report.settings.syncs["people"].guards


@pytest.mark.parametrize(
    ("written", "sources", "targets"),
    [
        ('"crm -> mail"', {"crm"}, {"mail"}),
        ('"mail->crm"', {"mail"}, {"crm"}),
        ('" crm , mail -> mail "', {"crm", "mail"}, {"mail"}),
        ('"both"', {"crm", "mail"}, {"crm", "mail"}),
    ],
)
def test_direction(good: str, checking: Callable[[str], Report], written: str, sources: set[str], targets: set[str]) -> None:
    """Left of the arrow are those whose edits count, right of it those that may be written."""
    row = checking(good.replace('owner = "crm"', f"direction = {written}")).settings.syncs["people"].fields["phone"]

    assert (sources, targets) == (row.sources, row.targets)


def test_owner_may_be_read_only(good: str, checking: Callable[[str], Report]) -> None:
    """An owner is never written, so a read-only field can own a two-way row."""
    report = checking(good.replace('direction = "crm -> mail"', 'owner = "crm"'))

    assert () == report.problems


def test_field_of_one_member(good: str, checking: Callable[[str], Report]) -> None:
    """A field of one member alone serves conditions, and needs nobody to write it."""
    report = checking(good + 'kind = { crm = "dateAdded" }\n')

    assert ((), ()) == (report.problems, report.notes)


def test_default_daemon(settings: Settings, tmp_path: Path) -> None:
    """The section may be left out."""
    assert DaemonSettings(state=tmp_path / ".local/state/syncd") == settings.daemon


def test_alerts(good: str, checking: Callable[[str], Report], tmp_path: Path) -> None:
    """Every setting of the section arrives, and the secret is never shown; without the section nobody but the log is told."""
    (tmp_path / "alerts-secret").write_text("correct horse\n")
    (tmp_path / "alerts-secret").chmod(0o600)
    written = """
[alerts]
webhook = "https://alerts.example.com/syncd?for=me"
secret = { file = "alerts-secret" }
command = ["/usr/local/bin/tell-me", "--loud"]
every = "1h"
drift_after = "2d"
"""
    told = checking(good + written).settings.alerts

    assert AlertSettings() == checking(good).settings.alerts
    assert ("https://alerts.example.com/syncd?for=me", "correct horse") == (told.webhook, told.secret)
    assert (("/usr/local/bin/tell-me", "--loud"), HOUR, 2 * DAY) == (told.command, told.every, told.drift_after)
    assert "correct horse" not in repr(told)


def test_daemon(good: str, checking: Callable[[str], Report], tmp_path: Path) -> None:
    """Every setting of the section arrives."""
    written = """
[daemon]
state = "var"
listen = "[::1]:0"
public_url = "https://sync.example.com/hooks/"
poll_min = "100ms"
poll_max = "2m"
full_pass = "1.5d"
audit_every = "off"
quiet = "0s"
quiet_max = "1s"
log_level = "debug"
trusted_proxies = ["10.0.0.0/8", "::1"]
"""
    wanted = DaemonSettings(
        state=tmp_path / "var",
        listen=Address(host="::1", port=0),
        public_url="https://sync.example.com/hooks",
        poll_min=SECOND // 10,
        poll_max=2 * MINUTE,
        full_pass=36 * HOUR,
        audit_every=None,
        quiet=0,
        quiet_max=SECOND,
        log_level=LogLevel.DEBUG,
        trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("::1")),
    )
    report = checking(good + written)

    assert wanted == report.settings.daemon
    assert "[::1]:0" == str(report.settings.daemon.listen)


def test_listen_off(good: str, checking: Callable[[str], Report]) -> None:
    """A daemon that only polls listens nowhere."""
    assert None is checking(good + '[daemon]\nlisten = "off"\n').settings.daemon.listen


@pytest.mark.parametrize(
    ("written", "duration"),
    [
        ("500ms", SECOND // 2),
        ("30s", 30 * SECOND),
        ("5m", 5 * MINUTE),
        ("2h", 2 * HOUR),
        ("1d", DAY),
        (" 1.5 s ", 3 * SECOND // 2),
    ],
)
def test_duration(written: str, duration: int) -> None:
    """A duration is a number and a unit."""
    assert duration == parse_duration(written)
    assert duration == parse_duration(spell_duration(duration))


@pytest.mark.parametrize("written", ["", "5", "5 minutes", "-5s", "5M", "1h30m", "٣s", "s"])
def test_no_duration(written: str) -> None:
    """Whatever else is written is none; a bare number would leave its unit to be guessed."""
    assert None is parse_duration(written)


@pytest.mark.parametrize(
    ("written", "instead", "changes"),
    [
        ('crm = "custom.plan"', 'crm = "custom.tier"', True),
        ("free = {}", "trial = {}", True),
        ('op = "exists"', 'op = "blank"', True),
        ('match = ["email", "phone"]', 'match = ["phone", "email"]', True),
        ('list = "L1"', 'list = "L2"', True),
        ('owner = "crm"', 'owner = "mail"', True),
        ('region = "GB"', 'region = "DE"', True),
        ('conflict = "last_modified"', 'conflict = "review"', False),
        ('conflict = "last_modified"', 'conflict = "last_modified"\nfirst_run = "auto"\nguards = { window = "2h" }', False),
        ('location_id = "ABC123"', 'location_id = "ABC124" # moved', False),
        ('tags = { type = "set", crm = "tags", mail = "tags" }', 'tags = { mail = "tags", crm = "tags", type = "set" }', False),
    ],
)
def test_digest(
    settings: Settings, good: str, checking: Callable[[str], Report], written: str, instead: str, changes: bool
) -> None:
    """The digest changes with what the sync means, and with nothing else."""
    assert written in good
    changed = checking(good.replace(written, instead)).settings

    assert changes == (settings.digest["people"] != changed.digest["people"])


def test_digest_is_the_same_everywhere(settings: Settings) -> None:
    """The digest is written into the state, so it must not depend on the process that makes it."""
    assert "10c5167c4791cd69e70fa675d04c768e" == settings.digest["people"]


def test_load_raises_all_problems(good: str, tmp_path: Path, kinds, environ) -> None:
    """`load` gives settings or every problem in one error."""
    path = tmp_path / "syncd.toml"
    path.write_text(good.replace("location_id", "locaton_id").replace("owner", "onwer"))
    with pytest.raises(UserError) as caught:
        load(path, kinds, environ=environ)

    assert f"{path} has 2 problems" == caught.value.message
    assert [f"{path}:3", f"{path}:23"] == [problem.split(": ")[0] for problem in caught.value.problems]


def test_byte_order_mark_and_windows_line_ends(good: str, tmp_path: Path, kinds, environ) -> None:
    """What editors leave at the start and at the ends of lines is no mistake."""
    path = tmp_path / "syncd.toml"
    path.write_bytes(b"\xef\xbb\xbf" + good.replace("\n", "\r\n").encode())

    assert "ABC123" == load(path, kinds, environ=environ).systems["crm"].options.location_id


def test_systems_alone(good: str, checking: Callable[[str], Report]) -> None:
    """Systems can be set up before any sync is; that is worth a note."""
    report = checking(good.split("[syncs.people]", maxsplit=1)[0])

    assert {} == report.settings.syncs
    assert ["has no sync, so nothing is kept equal"] == [found.what for found in report.notes]

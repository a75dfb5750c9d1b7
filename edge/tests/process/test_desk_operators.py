"""An operator's night on the command line: every look and every act is in the audit."""

import contextlib
import json
import signal
import sqlite3

import pytest

from roeh.core.clock import SystemClock
from roeh.desk.keys import make_desk_keys
from roeh.desk.store import open_desk_store
from tests.desks import DESK, desk_in, said_picture, said_state
from tests.operated_desks import OperatedDesk, sha256_of
from tests.process.children import PATIENCE_S, start
from tests.process.command_line import command_lines
from tests.process.killed_operator import close_and_be_killed

PICTURE = b"\xff\xd8 a picture"


class Shift:
    """A desk with three alarms of a pole, and its commands."""

    def __init__(self, directory, commands):
        self.directory = directory
        self.path = directory / "desk.toml"
        self.path.write_text(DESK.format(directory=directory, more=""))
        self.config = desk_in(directory)
        make_desk_keys(self.config)
        self._commands = commands
        with contextlib.closing(open_desk_store(self.config)) as store:
            desk = OperatedDesk(self.config, store, SystemClock())
            alert = desk.alert(rule="gate", priority=8, label="\x1b[2J[red]person")
            desk.hear(said_state(), said_picture(alert.id, PICTURE))
            desk.health(connection_number=1, certificate_days=12, temperature_c=61.0)
            desk.goes_on(alert)
            desk.alert(rule="gate")
            desk.alert(rule="quay")

    def does(self, *words, operator="anna", status=0):
        done = self._commands.run("desk", *words, "-c", self.path, "--operator", operator)
        assert done.status == status, done.stderr
        assert "\x1b" not in done.stdout
        return done

    def lines(self, *words, **options):
        return [json.loads(line) for line in self.does(*words, **options).stdout.splitlines()]

    def alarms(self):
        """By rule, the urgent one of the gate first."""
        found = self.lines("alarms", "--state", "all", "--json", operator="looker")
        return {alarm["rule"]: alarm for alarm in found}

    def audit(self):
        return self.lines("audit", "--json", operator="auditor")


@pytest.fixture(scope="module")
def commands():
    with command_lines() as running:
        yield running


@pytest.fixture
def shift(memory_directory, commands):
    return Shift(memory_directory, commands)


def test_a_night_from_the_first_look_to_the_handover(shift):
    listed = shift.does("alarms").stdout
    assert "gate" in listed
    assert "[red]person" in listed
    assert "3 alarms" in listed
    alarms = shift.alarms()
    gate, quay = alarms["gate"], alarms["quay"]

    told = shift.does("acknowledge", gate["id"][:8]).stdout
    assert "acknowledged by anna" in told
    assert "(before: new)" in told
    refused = shift.does("acknowledge", gate["id"][:8], operator="noa", status=35)
    assert "already acknowledged by anna" in refused.stderr
    shift.does("note", gate["id"][:6], "patrol", "is", "on", "its", "way")
    shift.does("shelve", quay["id"], "--for", "30m", "--reason", "the fair is on")
    shift.does("close", gate["id"], "--false-alarm", "--reason", "a dog", operator="noa")
    handover = shift.does("handover").stdout
    for part in ("shelved: 1", "the fair is on", "1 as false alarm", "patrol is on its way"):
        assert part in handover

    (story,) = shift.lines("alarm", gate["id"][:8], "--json")
    assert [step["by"] for step in story["history"]] == ["anna", "noa"]
    assert [note["text"] for note in story["notes"]] == ["patrol is on its way"]
    (poles,) = shift.lines("poles", "--json")
    assert (poles["link"], poles["certificate_days"]) == ("online", 12)
    assert "61 °C" in shift.does("poles").stdout

    entries = shift.audit()
    said = [(entry["operator"], entry["action"]) for entry in entries]
    for expected in (
        ("anna", "alarms.viewed"),
        ("anna", "alarm.acknowledged"),
        ("anna", "note.added"),
        ("anna", "alarm.shelved"),
        ("noa", "alarm.closed"),
        ("anna", "handover.viewed"),
        ("anna", "alarm.viewed"),
        ("anna", "poles.viewed"),
    ):
        assert said.count(expected) >= 1, expected
    assert ("noa", "alarm.acknowledged") not in said
    # Who states another's name is seen by the system's.
    assert {entry["os_user"] for entry in entries} == {entries[0]["os_user"]}
    assert shift.audit()[-1]["action"] == "audit.viewed"
    assert "each as it was written" in shift.does("audit", "--check").stdout


def test_a_group_is_dealt_with_in_one_go_and_a_stale_look_is_refused(shift):
    gate = shift.alarms()["gate"]
    told = shift.does("acknowledge", gate["id"], "--group").stdout
    assert told.count("acknowledged by anna") == 2
    refused = shift.does("close", gate["id"], "--seen", "0", operator="noa", status=35)
    assert "changed since it was looked at: acknowledged by anna" in refused.stderr
    shift.does("close", gate["id"], "--seen", "1", operator="noa")


def test_what_is_refused_does_not_keep_others_from_being_done(shift):
    alarms = shift.alarms()
    done = shift.does("close", "ffffffff", alarms["quay"]["id"], status=35)
    assert "no such alarm" in done.stderr
    assert shift.alarms()["quay"]["state"] == "closed"


def test_pictures_are_taken_with_an_entry_each(shift):
    (alarm,) = [one for one in shift.lines("alarms", "--json") if one["messages"] == 2]
    directory = shift.directory / "pictures"
    shift.does("alarm", alarm["id"], "--save", directory)
    (path,) = directory.iterdir()
    assert path.read_bytes() == PICTURE
    (entry,) = [one for one in shift.audit() if one["action"] == "thumbnail.taken"]
    assert (entry["subject"], entry["sha256"]) == (alarm["id"], sha256_of(PICTURE))


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_export_is_in_the_audit_by_the_hash_of_what_was_written(shift, form):
    out = shift.directory / f"night.{form}"
    shift.does("report", "--format", form, "--out", out)
    said = shift.does("report", "--format", form, "--from", "1d").stdout
    entries = [one for one in shift.audit() if one["action"] == "report.exported"]
    assert entries[0]["sha256"] == sha256_of(out.read_bytes())
    assert (entries[0]["count"], entries[0]["detail"]) == (3, str(out))
    assert entries[1]["detail"] == "standard output"
    assert out.stat().st_mode & 0o777 == 0o600
    assert said.count("gate") == 2
    assert "all" in shift.does("report").stdout
    shift.does("report", "--format", "csv", "--out", "/nowhere/x.csv", status=27)
    assert len([one for one in shift.audit() if one["action"] == "report.exported"]) == 2


def test_an_audit_that_was_trimmed_is_told_with_its_place(shift):
    shift.does("alarms")
    shift.does("alarms")
    with contextlib.closing(sqlite3.connect(shift.directory / "desk" / "desk.db")) as connection:
        connection.execute("DROP TRIGGER audit_never_delete")
        connection.execute("DELETE FROM audit WHERE leaf = 0")
        connection.commit()
    refused = shift.does("audit", "--check", status=26)
    assert "an entry is missing: entry 0" in refused.stderr


def test_nobody_is_the_desk(shift):
    shift.does("alarms", operator="desk", status=35)
    shift.does("alarms", operator="x" * 65, status=35)


#: Statements of the transaction: before the change, after it, in the audit, at the end.
STEPS = (2, 3, 6, 7, 8, 30)


@pytest.mark.parametrize("step", STEPS)
def test_killed_while_closing_the_change_and_its_entry_are_both_there_or_neither(shift, step):
    process = start(close_and_be_killed, shift.config, shift.alarms()["quay"]["id"], step)
    process.join(PATIENCE_S)
    assert process.exitcode in (-signal.SIGKILL, 0)
    closed = shift.alarms()["quay"]["state"] == "closed"
    entries = [one for one in shift.audit() if one["action"] == "alarm.closed"]
    assert len(entries) == int(closed)
    if process.exitcode == 0:
        assert closed
    shift.does("audit", "--check")

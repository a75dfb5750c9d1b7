"""What a person reads and what a machine reads; nothing a pole says reaches the terminal raw."""

import io
import json

import msgspec
import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.errors import ConfigError, OutputRefused
from roeh.core.orders import SeqRange
from roeh.core.types import RuleKind
from roeh.desk.keeper import AlertKeeper
from roeh.desk.pole import Pole
from roeh.desk.watch.broker_url import parse_broker_url
from roeh.desk.watch.notices import AlertArrived, AlertsMissing, PoleCondition, ThumbnailArrived
from roeh.desk.watch.picture import Picture
from roeh.desk.watch.view import JsonView, TerminalView
from roeh.desk.wording import compass, duration_text, notice_line
from roeh.transport.tls import TlsFiles
from tests.unit.test_messages import ALERT, HEALTH, JPEG, STATE

POLE = Pole("harbour", "pole-7")
ARRIVED = AlertArrived(POLE, ALERT, JPEG, 120_000)


def test_an_alert_line_says_what_where_and_how_late():
    line = notice_line(ARRIVED)
    for part in ("harbour/pole-7", "P5", "zone_entry gate", "raised", "1 person", "NE 047° ±1.2°"):
        assert part in line
    for part in ("12.3 ±0.8 m", f"{len(JPEG)} B", "after 0.12 s", "#42"):
        assert part in line


def changed(**fields):
    """The line of an alert that differs in these fields."""
    return notice_line(AlertArrived(POLE, msgspec.structs.replace(ALERT, **fields), None, 0))


def test_an_advisory_alert_cannot_be_taken_for_another():
    assert "advisory: look before anybody acts" in changed(
        rule_kind=RuleKind.SCUFFLE, advisory=True
    )
    assert "advisory" not in notice_line(ARRIVED)


def test_a_line_says_which_camera_how_loud_and_how_much_was_held_back():
    assert f"camera {ALERT.evidence.camera_id} covered" in changed(
        rule_kind=RuleKind.CAMERA_TAMPER, label="covered"
    )
    assert "noise 96 dB" in changed(rule_kind=RuleKind.LOUD_NOISE, label="noise", level_db=95.7)
    assert "1 person, 14 before it were held back" in changed(chatter=14)


def test_a_time_that_cannot_be_trusted_is_marked():
    doubtful = msgspec.structs.replace(
        ALERT, clock=msgspec.structs.replace(ALERT.clock, synchronised=False)
    )
    assert notice_line(AlertArrived(POLE, doubtful, None, 0)).startswith("~")


@pytest.mark.parametrize(
    ("bearing_deg", "letters"),
    [(0, "N"), (11, "N"), (12, "NNE"), (90, "E"), (225, "SW"), (348, "NNW"), (349, "N")],
)
def test_bearings_have_the_letters_of_the_compass(bearing_deg, letters):
    assert compass(bearing_deg) == letters


@pytest.mark.parametrize(
    ("duration_us", "text"),
    [(120_000, "0.12 s"), (-40_000, "-0.04 s"), (59_000_000, "59 s"), (600_000_000, "10 min")],
)
def test_durations_are_short(duration_us, text):
    assert duration_text(duration_us) == text


def test_a_pole_cannot_move_the_cursor():
    evil = msgspec.structs.replace(ALERT, rule="\x1b[2Jgate\r\n", label="[red]person")
    out = io.StringIO()
    TerminalView(out).show(AlertArrived(POLE, evil, None, 0))
    assert "\x1b" not in out.getvalue()
    assert out.getvalue().count("\n") == 1
    assert "[red]person" in out.getvalue()


def test_a_complaint_is_told_in_the_words_of_the_process():
    assert "capture blind: no frame for 5 s" in notice_line(PoleCondition(POLE, HEALTH))


def test_missing_numbers_are_shown_as_ranges():
    missing = AlertsMissing(POLE, (SeqRange(3, 3), SeqRange(5, 9)))
    assert "missing: #3, #5-9" in notice_line(missing)


def test_machines_get_one_object_a_line_and_the_size_of_the_picture():
    out = io.StringIO()
    clock = SimulatedClock()
    view = JsonView(out, clock)
    view.begin()
    view.show(ARRIVED)
    view.show(AlertsMissing(POLE, (SeqRange(3, 4),)))
    view.say("not for machines")
    view.end()
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert (first["kind"], first["node"], first["thumbnail_bytes"]) == (
        "alert",
        "pole-7",
        len(JPEG),
    )
    assert first["alert"]["seq"] == ALERT.seq
    assert first["delay_us"] == 120_000
    assert second["ranges"] == [{"first": 3, "last": 4}]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("columns", "has_board"), [("80", False), ("140", True)])
def test_on_a_terminal_the_poles_stand_below_the_lines(columns, has_board, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    out, clock, picture = Terminal(), SimulatedClock(), Picture()
    for message in (STATE, HEALTH, ALERT):
        picture.take(POLE, message, clock.read())
    view = TerminalView(out)
    view.begin()
    view.show(ARRIVED)
    view.refresh(picture, clock.read())
    view.end()
    for part in ("zone_entry gate", "heard", "online", "blind", "missing"):
        assert part in out.getvalue()
    assert ("certificate" in out.getvalue()) == has_board


def test_alerts_are_kept_beside_their_pictures(tmp_path):
    keeper = AlertKeeper(tmp_path / "new")
    keeper.take(ARRIVED)
    keeper.take(ThumbnailArrived(POLE, "late", b"jpeg"))
    kept = tmp_path / "new" / "harbour" / "pole-7"
    assert msgspec.json.decode((kept / f"{ALERT.id}.json").read_bytes(), type=type(ALERT)) == ALERT
    assert (kept / f"{ALERT.id}.jpg").read_bytes() == JPEG
    assert (kept / "late.jpg").read_bytes() == b"jpeg"
    assert not list(kept.glob("*.part"))


def test_a_directory_that_cannot_be_had_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputRefused, match="--save"):
        AlertKeeper(tmp_path / "file" / "alerts")


def test_a_broker_url_says_who_and_where():
    options = parse_broker_url("mqtt://desk:p%40ss@broker.example:2883", "me")
    assert (options.host, options.port, options.username, options.password, options.tls) == (
        "broker.example",
        2883,
        "desk",
        "p@ss",
        None,
    )
    assert parse_broker_url("mqtt://localhost", "me").port == 1883


def test_a_broker_url_with_tls_names_its_files():
    options = parse_broker_url("mqtts://broker.example/?ca=/c.pem&cert=/d.pem&key=/d.key", "me")
    assert options.port == 8883
    assert options.tls == TlsFiles("/c.pem", "/d.pem", "/d.key")
    assert parse_broker_url("mqtts://broker.example", "me").tls == TlsFiles()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        "localhost:1883",
        "http://localhost",
        "mqtt://",
        "mqtt://localhost:port",
        "mqtt://localhost:99999",
        "mqtt://[::1",
        "mqtt://localhost/topic",
        "mqtt://localhost?ca=/c.pem",
        "mqtts://localhost?colour=red",
    ],
)
def test_what_is_no_broker_url_is_one_clear_line(url):
    with pytest.raises(ConfigError, match="mqtt://host:port"):
        parse_broker_url(url, "me")


def test_a_password_is_not_repeated_in_an_error():
    with pytest.raises(ConfigError) as caught:
        parse_broker_url("mqtts://desk:secret@broker.example/?colour=red", "me")
    assert "secret" not in caught.value.line()

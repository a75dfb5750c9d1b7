"""What the pages are made of, without a browser: times, languages, forms, the drawing."""

import zoneinfo

import pytest

from roeh.retrieve.pages.forms import Form, FormReader
from roeh.retrieve.pages.language import language_of, scheme_of
from roeh.retrieve.pages.routes import PAGES
from roeh.retrieve.pages.static_files import static_files
from roeh.retrieve.pages.timeline_view import MAX_ROWS, Stretch, timeline_view
from roeh.retrieve.pages.times import Times, read_instant, utc_text
from roeh.retrieve.pages.wording import Words
from tests.people import SOMEBODYS_AGE_KEY

ZONE = zoneinfo.ZoneInfo("Asia/Jerusalem")
SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
#: 2026-07-01T00:00:00Z: three hours later at the pole.
SUMMER_US = 1_782_864_000 * SECOND_US


def test_times_are_written_in_the_poles_zone_or_with_a_z_in_utc():
    assert read_instant("2026-07-01T03:00:00", ZONE, "from") == SUMMER_US
    assert read_instant("2026-07-01 03:00", ZONE, "to") == SUMMER_US
    assert read_instant("2026-07-01T00:00:00.25Z", ZONE, "from") == SUMMER_US + 250_000
    assert utc_text(SUMMER_US) == "2026-07-01T00:00:00Z"
    for text in (
        "",
        "now",
        "2026-13-01T00:00",
        "2026-07-01",
        "0001-01-01T00:00",
        "٢٠٢٦-07-01T00:00",
    ):
        assert read_instant(text, ZONE, "from") is None


def test_where_the_clocks_are_put_back_a_span_takes_both_hours():
    # In 2026 on 25 October, at two o'clock, back to one.
    begin = read_instant("2026-10-25T01:30:00", ZONE, "from")
    end = read_instant("2026-10-25T01:30:00", ZONE, "to")
    assert end - begin == HOUR_US


def test_a_time_is_shown_at_the_pole_with_utc_beside_it():
    shown = Times(ZONE, Words("he")).both(SUMMER_US)
    assert 'datetime="2026-07-01T00:00:00Z"' in shown
    assert '<bdi dir="ltr">2026-07-01 03:00:00</bdi>' in shown
    assert "00:00:00 UTC" in shown
    # Another day in UTC is said.
    assert "2026-06-30 22:00:00 UTC" in Times(ZONE, Words("en")).both(SUMMER_US - 2 * HOUR_US)


@pytest.mark.parametrize(
    ("length_us", "english", "hebrew"),
    [
        (20_000, "20 ms", "20 אלפיות השנייה"),
        (SECOND_US, "1 s", "שנייה"),
        (125 * SECOND_US, "2 min 5 s", "2 דקות, 5 שניות"),
        (25 * HOUR_US, "1 day 1 h", "יום, שעה"),
        (48 * HOUR_US, "2 days", "יומיים"),
    ],
)
def test_lengths_are_said_in_words(length_us, english, hebrew):
    for language, expected in (("en", english), ("he", hebrew)):
        assert Times(ZONE, Words(language)).length(length_us).striptags() == expected


@pytest.mark.parametrize(
    ("asked", "cookie", "accepted", "expected"),
    [
        ("he", "en", "en", "he"),
        ("", "he", "en", "he"),
        ("", "", "he-IL,he;q=0.9,en;q=0.8", "he"),
        ("", "", "fr, en;q=0.3, iw;q=0.7", "he"),
        ("xx", "\x00", "de;q=1,;;q=z", "en"),
        ("", "", "he;q=nan, en;q=0.1", "en"),
    ],
)
def test_a_visitor_gets_the_language_they_chose_or_their_browser_asks(
    asked, cookie, accepted, expected
):
    assert language_of(asked, cookie, accepted) == expected
    assert scheme_of("", "dark") == "dark"
    assert scheme_of("<", "?") == "auto"


def test_a_stretch_is_drawn_where_it_lies_and_listed_with_the_same_content():
    def stretch(kind, begin_s, end_s, camera="north"):
        return Stretch(
            kind=kind,
            camera_id=camera,
            from_utc_us=SUMMER_US + begin_s * SECOND_US,
            to_utc_us=SUMMER_US + end_s * SECOND_US,
            error_us=2000,
        )

    span = (SUMMER_US, SUMMER_US + 100 * SECOND_US)
    found = [
        stretch("recorded", -50, 25),
        stretch("alert", 50, 50),
        stretch("gap", 90, 400),
        stretch("recorded", 100, 200),
        stretch("recorded", -9, 0),
        stretch("held", 10, 20, "south"),
    ]
    view = timeline_view(found, ("north",), span, ZONE)
    assert [lane.camera_id for lane in view.lanes] == ["north", "south"]
    drawn = [(bar.stretch.kind, bar.x_percent, bar.width_percent) for bar in view.lanes[0].bars]
    assert drawn == [
        ("recorded", "0.000", "25.000"),
        ("gap", "90.000", "10.000"),
        ("alert", "50.000", "0.300"),
    ]
    assert sorted(row.kind for row in view.rows) == ["alert", "gap", "held", "recorded"]
    assert view.worst_error_us == 2000
    assert [tick.t_utc_us for tick in view.ticks] == [
        SUMMER_US + second * SECOND_US for second in (0, 30, 60, 90)
    ]


def test_ticks_are_round_by_the_clock_on_the_wall():
    day = timeline_view([], ("north",), (SUMMER_US, SUMMER_US + 24 * HOUR_US), ZONE)
    times = Times(ZONE, Words("en"))
    labels = [times.tick(tick.t_utc_us, day.tick_step_us) for tick in day.ticks]
    assert labels == ["06:00", "12:00", "18:00", "00:00"]


def test_what_is_not_listed_is_counted():
    many = [
        Stretch(kind="alert", camera_id="north", from_utc_us=SUMMER_US + n, to_utc_us=SUMMER_US + n)
        for n in range(MAX_ROWS + 7)
    ]
    view = timeline_view(many, ("north",), (SUMMER_US, SUMMER_US + HOUR_US), ZONE)
    assert (len(view.rows), view.left_off) == (MAX_ROWS, 7)


WRITTEN = {
    "camera": ("north",),
    "from": ("2026-07-01T03:00:00",),
    "to": ("2026-07-01T03:10:00",),
    "case": (" 2026/1 ",),
    "basis": ("warrant",),
    "reason": ("one\nline\u202e",),
    "recipients": (f"{SOMEBODYS_AGE_KEY}\n",),
}


def read(*, redacted=False, **changed):
    reader = FormReader(Form(WRITTEN | changed), ZONE)
    return reader.export(("north", "south"), redacted=redacted), reader.faults


def test_a_whole_form_is_a_wish():
    wish, faults = read()
    assert faults == []
    assert (wish.span.from_utc_us, wish.span.to_utc_us) == (SUMMER_US, SUMMER_US + HOUR_US // 6)
    assert (wish.case_number, wish.reason) == ("2026/1", "one line")
    assert wish.recipients == (SOMEBODYS_AGE_KEY,)


@pytest.mark.parametrize(
    ("field", "value", "key"),
    [
        ("camera", "elsewhere", "no_camera"),
        ("from", "soon", "no_time"),
        ("to", "2026-07-01T02:00:00", "backwards"),
        ("to", "2026-07-09T03:00:00", "too_wide"),
        ("case", " ", "missing"),
        ("basis", "x" * 201, "too_long"),
        ("recipients", "age1short", "no_recipient"),
        ("recipients", " ".join([SOMEBODYS_AGE_KEY] * 5), "many_recipients"),
    ],
)
def test_what_is_wrong_is_told_with_its_field(field, value, key):
    wish, faults = read(**{field: (value,)})
    assert wish is None
    assert [(fault.field, fault.key) for fault in faults] == [(field, key)]


@pytest.mark.parametrize(
    ("numbers", "key"),
    [
        (("", "", "", ""), "no_region"),
        (("1", "2", "3", ""), "bad_region"),
        (("9", "2", "3", "4"), "bad_region"),
        (("1", "2", "3", "99999"), "bad_region"),
        (("-1", "2", "3", "4"), "bad_region"),
        (("\N{ARABIC-INDIC DIGIT ONE}", "2", "3", "4"), "bad_region"),
    ],
)
def test_regions_are_four_numbers_of_a_chosen_camera(numbers, key):
    names = ("region_x0", "region_y0", "region_x1", "region_y1")
    row = {name: (number,) for name, number in zip(names, numbers, strict=True)}
    wish, faults = read(redacted=True, region_camera=("north",), **row)
    assert wish is None
    assert {fault.key for fault in faults} >= {key}


def test_every_page_has_an_address_and_files_have_their_hash_in_their_name():
    assert len({(page.method, page.path) for page in PAGES}) == len(PAGES)
    for name, file in static_files().items():
        assert file.path.startswith(f"/static/{name.partition('.')[0]}.")
        # Nothing from elsewhere is loaded, and nothing written into the page runs.
        text = file.body.decode()
        assert "http://www.w3.org/2000/svg" in text or "://" not in text
        assert "innerHTML" not in text

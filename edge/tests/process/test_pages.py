"""The pole's pages in a real browser: people of every role do what they came for.

Evidence and retrieve run, and people come over TLS with their certificates. Each page that is
walked through has nothing in the console, nothing refused by its policy, no request that failed,
and nothing that axe-core finds.
"""

import argparse
import contextlib
import datetime
import hashlib
import re
import shlex

import pytest

from roeh.access.requests import read_request, request_sha256
from roeh.core.gop import StreamEnd
from roeh.core.peers import Done, EndStream, Role, Verb
from roeh.core.retrieval import PersonRole
from roeh.police.commands import add_arguments
from roeh.retrieve.pages.times import utc_text
from roeh.retrieve.pages.wording import table
from tests.apt import require_packages
from tests.people import SOMEBODYS_AGE_KEY
from tests.process.browsing import (
    DESK,
    PHONE,
    SMALL_PHONE,
    SMALL_TARGETS,
    Browsing,
    chromium,
)
from tests.visited_poles import CLOCK, visited_pole

pytestmark = pytest.mark.apt("chromium")
ZONE = "Asia/Jerusalem"
SECOND_US = 1_000_000


@pytest.fixture(scope="module")
def pole(tmp_path_factory):
    require_packages("chromium")
    with visited_pole(tmp_path_factory.mktemp("pole"), time_zone=ZONE) as pole:
        # Its segments are closed and in the ledger.
        end = EndStream("north", StreamEnd.SOURCE_ENDED)
        pole.ask(Role.CAPTURE, Verb.STREAM_END, end, Done)
        yield pole


@pytest.fixture(scope="module")
def browser(pole):
    with chromium() as browser:
        yield browser


@pytest.fixture
def come(pole, browser):
    """Somebody comes with their browser; it is closed when the test is over."""
    with contextlib.ExitStack() as closing:

        def come(role, *, language="en", scheme="light", viewport=DESK, script=True, **said):
            holder = pole.person(role, **said)
            browsing = Browsing(
                browser,
                pole,
                holder,
                language=language,
                scheme=scheme,
                viewport=viewport,
                script=script,
            )
            closing.callback(browsing.close)
            browsing.holder = holder
            return browsing

        yield come


def span_of(pole, path="/timeline", *, seconds=(0, 4), camera=True):
    """A page about the recorded seconds."""
    from_us, to_us = (pole.begins_us + second * SECOND_US for second in seconds)
    more = "&camera=north" if camera else ""
    return f"{path}?from={utc_text(from_us)}&to={utc_text(to_us)}{more}"


def test_an_investigator_holds_and_requests_by_keyboard_alone_on_a_phone_in_hebrew(pole, come):
    officer = come(
        PersonRole.INVESTIGATOR,
        name="דנה לוי",
        language="he",
        scheme="dark",
        viewport=PHONE,
    )
    page = officer.open("/")
    officer.check("overview")
    assert page.locator("html").get_attribute("dir") == "rtl"
    # The first thing to reach leads past the navigation.
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    officer.open(span_of(pole, camera=False))
    officer.check("timeline")
    assert page.evaluate(SMALL_TARGETS) == []

    officer.press(page.locator("[formaction='/hold']"))
    officer.check("hold")
    officer.press(page.locator("form button"))
    officer.check("hold without a reason")
    officer.reach(page.locator(".summary a"))
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "reason"
    page.keyboard.type("תקיפה בכיכר")
    officer.press(page.locator("form button"))
    officer.check("held")
    assert page.locator(".banner.good").is_visible()
    assert page.locator(".kind.held").first.is_visible()

    officer.press(page.locator("[formaction='/export']"))
    officer.check("request")
    for field, text in (
        ("case", "2026/77"),
        ("basis", "צו חיפוש 12/26"),
        ("reason", "תקיפה"),
        ("recipients", "age1nobody"),
    ):
        officer.reach(page.locator(f"#{field}"))
        page.keyboard.type(text)
    officer.press(page.locator("form button"))
    officer.check("request for a key that is none")
    assert page.locator("#case").input_value() == "2026/77"
    assert page.locator("[aria-invalid]").get_attribute("id") == "recipients"
    officer.reach(page.locator("#recipients"))
    page.keyboard.press("Control+A")
    page.keyboard.type(SOMEBODYS_AGE_KEY)
    officer.press(page.locator("form button"))
    officer.check("requested")
    assert page.locator(".state.requested").is_visible()
    asked = [record["body"] for record in pole.records("export_request")]
    assert [one["cameras"] for one in asked] == [["north"]]
    assert page.url.partition("?")[0].endswith(asked[0]["export_id"])


def test_a_preview_plays_and_steps_by_seconds(pole, come):
    officer = come(PersonRole.INVESTIGATOR)
    page = officer.open(span_of(pole, "/moment"))
    video = page.locator("video")
    video.evaluate("(video) => video.play()")
    officer.until("document.querySelector('video').currentTime > 0.2")
    assert video.evaluate("(video) => video.videoWidth") == 160
    page.get_by_role("button", name="1 s on").click()
    officer.until("document.querySelector('video').currentTime > 1.1")
    assert video.evaluate("(video) => video.paused")
    officer.check("moment")


@pytest.mark.parametrize(
    ("language", "choice", "asked"),
    [("en", "quad", "layout=quad"), ("he", "e", "layout=ptz&bearing_deg=90")],
)
def test_a_fisheye_is_shown_as_the_view_that_was_chosen(pole, come, language, choice, asked):
    officer = come(PersonRole.INVESTIGATOR, language=language, viewport=PHONE)
    page = officer.open(span_of(pole, "/moment"))
    assert "layout=panorama" in page.locator("video").get_attribute("src")
    page.locator("#view").select_option(choice)
    page.locator("form.span-form button").click()
    page.wait_for_load_state()
    assert asked in page.locator("video").get_attribute("src")
    assert asked in page.locator("figcaption a").get_attribute("href")
    assert page.locator("#view").input_value() == choice
    # What was recorded is one step away.
    recorded = page.locator("p.hint a").first.get_attribute("href")
    assert "/stills/" in recorded
    assert "layout" not in recorded
    officer.check(f"moment as {choice}")


def test_tapping_the_drawing_chooses_a_span_in_the_poles_time(pole, come):
    officer = come(PersonRole.INVESTIGATOR, viewport=PHONE)
    page = officer.open(span_of(pole, seconds=(0, 100), camera=False))
    lane = page.locator("svg.lane")
    width = lane.bounding_box()["width"]
    lane.click(position={"x": width * 0.1, "y": 20})
    lane.click(position={"x": width * 0.2, "y": 20})
    begin_s = pole.begins_us // SECOND_US
    sent = [page.locator(f"[data-follows={edge}]").input_value() for edge in ("from", "to")]
    for text, share in zip(sent, (0.1, 0.2), strict=True):
        assert re.fullmatch(r"[0-9T:-]{19}Z", text)
        assert abs(seconds_of(text) - begin_s - 100 * share) <= 1.5
    # The fields say the same in the pole's own time, two hours or three ahead of UTC.
    local = seconds_of(page.locator("#from").input_value() + "Z")
    assert local - seconds_of(sent[0]) in (7200, 10_800)
    officer.check("chosen")


def test_an_approver_compares_signs_elsewhere_and_hands_in_the_file_for_whoever_waits(
    pole, come, tmp_path
):
    officer = come(PersonRole.INVESTIGATOR, viewport=PHONE, language="he")
    request = pole.request_of(officer.holder, case_number="2026/88")
    signed_request = officer.holder.sign_request(request)
    asked = pole.visit(officer.holder).post_signed("/api/v1/exports", signed_request)
    assert asked.status == 201, asked.json
    approver = come(PersonRole.APPROVER, name="Ben Katz")
    page = approver.open("/")
    approver.check("overview")
    page.get_by_role("link", name="2026/88").click()
    approver.check("to approve")
    with page.expect_download() as download:
        page.locator("ol [download]").click()
    octets = download.value.path().read_bytes()
    assert read_request(octets) == request
    shown = page.locator("ol .hash").inner_text()
    assert re.sub(r"\s", "", shown) == hashlib.sha256(octets).hexdigest()
    assert request_sha256(request) in re.sub(r"\s", "", shown)

    assert parsed(page.locator(".command").inner_text()).request == f"request-{request.id}.json"

    hand_in = page.get_by_role("button", name="Hand in the approval")
    hand_in.click()
    approver.check("no file")
    other = pole.request_of(officer.holder)
    for name, octets in (
        ("garbage.p7m", b"garbage"),
        ("another.p7m", pole.approval_of(approver.holder, other)),
    ):
        (tmp_path / name).write_bytes(octets)
        page.locator("#approval_file").set_input_files(tmp_path / name)
        hand_in.click()
        assert page.locator("main [role=alert] code").inner_text() in (
            "ACCESS_REFUSED",
            "MESSAGE_REFUSED",
        )
        # A refusal is answered with its status, which the browser mentions.
        approver.wrong.clear()
        assert page.locator(".state.requested").is_visible()
        approver.check(name)
    signed = tmp_path / "approval.p7m"
    signed.write_bytes(pole.approval_of(approver.holder, request))
    page.locator("#approval_file").set_input_files(signed)
    hand_in.click()
    page.locator(".banner.good").wait_for()
    approver.check("approved")
    assert [one["body"]["verdict"] for one in pole.records("approval")] == ["approved"]
    assert page.locator(".step.good").count() > 0

    # Who asked sees it become ready without doing anything, and downloads it.
    waiting = officer.open(f"/exports/{request.id}")
    with waiting.expect_download(timeout=60_000) as download:
        waiting.locator("a.button[download]").click(timeout=60_000)
    officer.check("ready")
    assert parsed(waiting.locator(".command").inner_text()).id == request.id
    digest = hashlib.sha256(download.value.path().read_bytes()).hexdigest()
    assert digest == re.sub(r"\s", "", waiting.locator(".state-of-it .hash").inner_text())

    page.get_by_role("link", name="Custody log").click()
    approver.check("custody log")
    assert page.get_by_text("Approved it").count() == 1


def test_a_privacy_officer_draws_a_region_or_writes_its_numbers(pole, come):
    officer = come(PersonRole.PRIVACY_OFFICER, viewport=PHONE)
    page = officer.open(span_of(pole, "/export", seconds=(0, 2)))
    officer.check("redacted request")
    over = page.locator(".over svg")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"], steps=4)
    page.mouse.up()
    sides = ("x0", "y0", "x1", "y1")
    drawn = [int(page.locator(f"[name=region_{side}]").first.input_value()) for side in sides]
    # In pixels of the recorded picture, 160 x 96, whatever size the still is shown in.
    assert drawn == pytest.approx([40, 48, 80, 96], abs=1)
    second = page.locator("tbody tr").nth(1)
    for side, number in zip(sides, (1, 2, 30, 40), strict=True):
        second.locator(f"[name=region_{side}]").fill(f"{number}")
    assert page.locator(".over rect").count() == 2
    for field, text in (("case", "1"), ("basis", "2"), ("reason", "3")):
        page.locator(f"#{field}").fill(text)
    page.locator("#recipients").fill(SOMEBODYS_AGE_KEY)
    page.get_by_role("button", name="Send the request").click()
    page.locator(".state.requested").wait_for()
    officer.check("redacted copy requested")
    assert pole.records("export_request")[-1]["body"]["export_kind"] == "redacted"


def test_everything_but_scrubbing_works_without_scripts(pole, come):
    officer = come(PersonRole.INVESTIGATOR, script=False)
    page = officer.open(span_of(pole))
    assert page.locator(".needs-script").first.is_hidden()
    page.get_by_role("button", name="Hold").click()
    page.locator("#reason").fill("no scripts here")
    page.get_by_role("button", name="Hold").click()
    assert page.locator(".banner.good").is_visible()
    assert "no scripts here" in {one["body"]["reason"] for one in pole.records("hold")}


def test_each_role_is_shown_what_it_may_and_refused_the_rest_in_its_language(pole, come):
    operator = come(PersonRole.OPERATOR, language="he", viewport=SMALL_PHONE, scheme="dark")
    page = operator.open(span_of(pole))
    assert page.locator("[formaction='/hold'], button:has-text('הקפאה')").count() > 0
    assert page.locator("[formaction='/export']").count() == 0
    assert page.locator("nav a[href='/custody']").count() == 0
    operator.check("timeline of an operator")
    operator.open("/custody")
    assert page.locator("main [role=alert] h2").inner_text() == "הפעולה אינה מותרת"
    assert page.locator("main code").first.inner_text() == "ACCESS_REFUSED"
    operator.wrong.clear()
    operator.check("refused")
    auditor = come(PersonRole.AUDITOR, language="he", scheme="dark", viewport=SMALL_PHONE)
    page = auditor.open("/custody")
    assert page.get_by_text("הגישה נדחתה").count() > 0
    auditor.check("custody log")


def test_a_trust_list_is_handed_in_and_an_older_one_refused(pole, come, tmp_path):
    technician = come(PersonRole.TECHNICIAN, viewport=SMALL_PHONE)
    older, newer = (tmp_path / f"{name}.p7m" for name in ("older", "newer"))
    older.write_bytes(pole.new_trust_list())
    newer.write_bytes(pole.new_trust_list())
    page = technician.open("/trust")
    technician.check("trust list")
    page.locator("#trust_file").set_input_files(newer)
    page.get_by_role("button", name="Hand in").click()
    page.locator(".banner.good").wait_for()
    page.locator("#trust_file").set_input_files(older)
    page.get_by_role("button", name="Hand in").click()
    assert "already has a newer list" in page.locator("main [role=alert]").inner_text()
    technician.wrong.clear()
    technician.check("older")


def test_language_and_scheme_are_kept_and_hebrew_is_mirrored(pole, come):
    officer = come(PersonRole.INVESTIGATOR)
    page = officer.open(span_of(pole, camera=False))
    assert first_place_px(page) < DESK["width"] / 2
    page.get_by_role("link", name="עברית").click()
    page.get_by_role("link", name="כהה").click()
    assert "from=" in page.url
    page = officer.open("/")
    html = page.locator("html")
    assert [html.get_attribute(name) for name in ("lang", "dir", "data-scheme")] == [
        "he",
        "rtl",
        "dark",
    ]
    assert first_place_px(page) > DESK["width"] / 2
    officer.check("overview")
    cookies = {one["name"]: one for one in officer.context.cookies()}
    assert set(cookies) == {"roeh_lang", "roeh_scheme"}
    for cookie in cookies.values():
        assert cookie["secure"]
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Strict"


FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=b"
FILE = b'Content-Disposition: form-data; name="trust_file"; filename="x"\r\n'
GARBAGE = [
    ("/hold", b"", "text/plain"),
    ("/hold", b"\xff\xfe=%00", FORM),
    ("/hold", b"a&" * 500, FORM),
    ("/hold", b"x" * 17_000, FORM),
    ("/hold", b"camera=north&from=0000&to=9999-99-99T99:99&id=../../etc", FORM),
    ("/export", b"region_camera=%27&region_x0=1e9&step=more", FORM),
    ("/export", b"step=stills&camera=north&from=1970-01-01T00:00&to=2200-01-01T00:00", FORM),
    ("/release", b"hold=%E2%80%AE&reason=%00", FORM),
    ("/trust", b"", PARTS),
    ("/trust", b"no parts at all", PARTS),
    ("/trust", b"--b\r\n\r\n", "multipart/form-data"),
    ("/trust", b"--b\r\n" + FILE + b"\r\nnever ended", PARTS),
    ("/trust", b"--b\r\n" + FILE + b"Content-Length: -5\r\n\r\nx\r\n--b--\r\n", PARTS),
    ("/trust", b"--b\r\n\x00\x01: \xff\r\n\r\nx\r\n--b--\r\n", PARTS),
    ("/trust", b"--b\r\n" + b"A: b\r\n" * 9999 + b"\r\nx\r\n--b--\r\n", PARTS),
    ("/trust", b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n", PARTS),
    ("/trust", b"--b\r\n" + FILE + b"\r\n" + b"x" * 270_000 + b"\r\n--b--\r\n", PARTS),
]


@pytest.mark.parametrize(
    ("path", "body", "media_type"), GARBAGE, ids=[f"{number}" for number in range(len(GARBAGE))]
)
def test_garbage_is_answered_in_words_and_changes_nothing(pole, path, body, media_type):
    visitor = pole.visit(pole.person(PersonRole.PRIVACY_OFFICER))
    kinds = ("hold", "release", "export_request", "trust_list")
    before = len(pole.records(*kinds))
    answer = visitor.post(path, body, media_type)
    assert answer.status < 500, answer.body
    assert len(pole.records(*kinds)) == before
    for path in ("/?before=" + "9" * 5000, "/custody?before=-1", "/timeline?from=%00&to=%E2%80%AE"):
        assert visitor.get(path).status < 500


def test_a_stale_list_and_silent_evidence_are_said_before_anything_else(tmp_path):
    day_us = 24 * 3600 * SECOND_US
    issued_us = CLOCK.read().t_utc_ns // 1000 - 40 * day_us
    with visited_pole(tmp_path, list_issued_us=issued_us) as pole:
        visitor = pole.visit(pole.person(PersonRole.INVESTIGATOR))

        def read(path):
            answer = visitor.get(path, **{"Accept-Language": "he"})
            return answer.status, answer.body.decode()

        status, page = read(span_of(pole))
        assert status == 200
        assert table("he")["banner.stale_title"] in page
        # No way leads to what has to wait, and the ways that are open stay.
        assert 'formaction="/hold"' in page
        assert "/moment?" not in page
        assert "<video" not in read(span_of(pole, "/moment"))[1]
        assert table("he")["request.stale"] in read(span_of(pole, "/export"))[1]
        pole.evidence.kill()
        status, page = read("/")
        assert status == 503
        assert table("he")["banner.evidence_silent_title"] in page
        assert "PEER_GONE" in page


def parsed(command):
    """A command line that a page shows, as the program takes it."""
    program, group, *arguments = shlex.split(command)
    assert (program, group) == ("roeh", "police")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


def first_place_px(page):
    box = page.locator("nav a").first.bounding_box()
    return box["x"] + box["width"] / 2


def seconds_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()

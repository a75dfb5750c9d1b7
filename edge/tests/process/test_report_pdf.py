"""A report as PDF: drawn in the sandbox, with the words of the page and its pictures."""

import shutil
import subprocess

import cv2
import msgspec
import numpy as np
import pytest

from roeh.bundle.rendering import Renderer, RenderLimits
from roeh.bundle.report import Language, Still, worded
from roeh.core.errors import RenderFailed
from roeh.core.rendering import ReportOrder
from roeh.render.pdf_text import Lettering
from tests.apt import require_packages
from tests.export_facts import START_US, facts

STILL = Still("north-1.jpg", "north", START_US, of_alert=True)


def jpeg(shade):
    return cv2.imencode(".jpg", np.full((90, 160, 3), shade, np.uint8))[1].tobytes()


def drawn(found, language, stills=None):
    report = msgspec.json.encode(worded(found, language))
    return Renderer().report(ReportOrder(report=report, stills=stills or {}))


def run_on(program, pdf, tmp_path, *arguments):
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf)
    ran = subprocess.run(
        [shutil.which(program), str(path), *arguments], capture_output=True, check=True
    )
    assert ran.stderr == b""
    return ran.stdout


@pytest.mark.apt("poppler-utils")
def test_a_report_of_damage_says_so_on_its_first_page(tmp_path):
    require_packages("poppler-utils")
    pdf = drawn(facts(damaged=True, stills=[STILL]), Language.EN, {STILL.name: jpeg(200)})
    text = run_on("pdftotext", pdf, tmp_path, "-layout", "-").decode()
    first = text.split("\f", maxsplit=1)[0]
    for said in ("FAIL: DAMAGED", "segments/north/00000404.mp4, GOP 3", "2025/11-4471",
                 "Yossi Cohen", "Israel Police"):  # fmt: skip
        assert said in first, said
    for said in ("was refused: a preview", "when an alert was raised", "openssl cms -verify",
                 "CHANGED", "Chain of custody"):  # fmt: skip
        assert said in text, said
    fonts = run_on("pdffonts", pdf, tmp_path).decode()
    assert fonts.count("DejaVuSans") == 2
    assert " yes yes yes " in fonts  # embedded, a part of it, and with its letters named
    pages = run_on("pdftoppm", pdf, tmp_path, "-r", "20", "-f", "2", "-l", "2", "-singlefile")
    page = cv2.imdecode(np.frombuffer(pages, np.uint8), cv2.IMREAD_COLOR)
    assert (abs(page.astype(int) - 200).max(axis=2) <= 3).sum() > 2000  # the still is on it


@pytest.mark.apt("poppler-utils")
def test_a_hebrew_report_is_read_from_right_to_left(tmp_path):
    require_packages("poppler-utils")
    pdf = drawn(facts(), Language.HE)
    boxes = run_on("pdftotext", pdf, tmp_path, "-bbox", "-f", "1", "-l", "1", "-").decode()
    # The title's first word; places are told of words as they are seen.
    words = [line.split('"') for line in boxes.splitlines() if ">חוד<" in line]
    lefts, rights = [float(word[1]) for word in words], [float(word[5]) for word in words]
    assert lefts
    assert min(lefts) > 300
    assert max(rights) == pytest.approx(595.3 - 42.5, abs=2)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("שלום עולם", "םלוע םולש"),
        ("תיק (12) סגור", "רוגס (12) קית"),
        ("מן \u20662025-11-23 12:13:20Z\u2069 עד \u2066x\u2069", "x דע 2025-11-23 12:13:20Z ןמ"),
        ("\u2066a/b (c)\u2069", "a/b (c)"),
    ],
)
def test_a_line_is_put_into_the_order_in_which_it_is_seen(text, seen):
    assert lettering().visual(text) == seen


def lettering():
    return Lettering(dict.fromkeys(range(0x3000), 500.0), is_right_to_left=True)


def test_a_line_is_broken_where_it_is_read_before_it_is_turned():
    lines = lettering().lines("אחת שתיים \u2066one two\u2069 סוף", 18.0, 10.0)
    assert lines == ["םייתש תחא", "one two", "ףוס"]


def test_a_long_hash_is_broken_anywhere_and_nothing_of_it_is_lost():
    long = "0123456789abcdef" * 4
    lines = lettering().lines(f"\u2066{long}\u2069", 30.0, 10.0, anywhere=True)
    assert len(lines) > 3
    assert "".join(lines) == long


def test_stills_that_are_none_and_names_that_are_hostile_do_no_harm():
    hostile = "\u202e<b>\x00\U0001f600 " + "x" * 500
    found = facts(stills=[STILL])
    request = msgspec.structs.replace(found.export.request, case_number=hostile, reason=hostile)
    export = msgspec.structs.replace(found.export, request=request, site=hostile)
    found = msgspec.structs.replace(found, export=export)
    pdf = drawn(found, Language.HE, {STILL.name: b"\xff\xd8 not a picture"})
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")


def test_a_report_that_takes_too_much_is_refused_alone():
    report = msgspec.json.encode(worded(facts(stills=[STILL]), Language.EN))
    # More in one piece than any heap has left over from loading: only new memory can hold it.
    large = jpeg(200) + bytes(40 * 1024 * 1024)
    few = RenderLimits(memory_bytes=30 * 1024 * 1024)
    with pytest.raises(RenderFailed, match="more memory would be needed"):
        Renderer(few).report(ReportOrder(report=report, stills={STILL.name: large}))


def test_what_is_no_report_is_refused():
    with pytest.raises(RenderFailed):
        Renderer().report(ReportOrder(report=b"{}"))

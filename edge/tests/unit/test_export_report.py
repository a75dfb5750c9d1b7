"""The report of an export: plain words, the same in both languages, and nothing that a name,
a case number or a reason could do to its reader."""

import ast
import re
import string
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

import roeh.bundle.report
from roeh.bundle.layout import ClockEntry, TimestampEntry, WitnessEntry
from roeh.bundle.report import Language, Still, as_html, worded
from roeh.bundle.report.digest import MAX_GOP_ROWS
from roeh.bundle.report.page import Drawing, Table, code, isolated, without_isolates
from roeh.bundle.report.words import Words
from roeh.bundle.report.words_en import EN
from roeh.bundle.report.words_he import HE
from roeh.core.retrieval import Action
from tests.export_facts import REQUEST, START_US, facts, redacted_request

LANGUAGES = list(Language)
PACKAGE = Path(roeh.bundle.report.__file__).parent


def text_of(report):
    """All that stands on it, on lines of their own."""
    return without_isolates(msgspec.json.encode(report).decode())


def section(report, name):
    (found,) = [section for section in report.sections if section.name == name]
    return found


def with_export(found, **changes):
    return msgspec.structs.replace(found, export=msgspec.structs.replace(found.export, **changes))


class Page(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.text += data


def names_in(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_both_languages_fill_the_same_names_in():
    for field in Words.__struct_fields__:
        assert names_in(getattr(EN, field)) == names_in(getattr(HE, field)), field
        assert getattr(EN, field).strip()
        assert getattr(HE, field).strip()


def test_hebrew_is_hebrew():
    same = {f for f in Words.__struct_fields__ if getattr(EN, f) == getattr(HE, f)}
    latin = {f for f in same if names_in(getattr(EN, f)) != set()}
    assert same == latin, "only what is all filled in may be the same"


def test_no_words_are_left_over():
    used = {
        node.attr
        for path in PACKAGE.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "words"
    }
    assert used == set(Words.__struct_fields__)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_intact_export_says_so_and_what_that_is_worth(language):
    words = EN if language is Language.EN else HE
    report = worded(facts(), language)
    assert (report.verdict, report.mark) == (words.intact, "good")
    assert words.finding_not_proof in text_of(report)


@pytest.mark.parametrize("language", LANGUAGES)
def test_damage_is_told_first_and_where_it_is(language):
    words = EN if language is Language.EN else HE
    report = worded(facts(damaged=True), language)
    assert (report.verdict, report.mark) == (words.damaged, "bad")
    findings = without_isolates(msgspec.json.encode(section(report, "findings")).decode())
    assert "segments/north/00000404.mp4, GOP 3" in findings
    assert "segments/south/00000407.mp4: missing" in findings
    (segments, gops) = section(report, "parts").blocks
    bad = [row for row in gops.rows if row[-1].mark == "bad"]
    assert len(bad) == 1 + 5  # one group changed, and the five of the segment that is missing
    assert {row[-1].text for row in segments.rows} >= {words.state_damaged, words.state_missing}


def test_an_export_with_more_damage_than_fits_says_how_much_more():
    found = facts(damaged=True)
    found = with_export(found, damage=tuple(f"line {n}" for n in range(150)), damage_count=5000)
    assert "and 4900 more, in data/export.json" in text_of(worded(found, Language.EN))


def test_an_export_without_video_is_no_success():
    found = with_export(facts(segments=0), cameras=())
    report = worded(found, Language.EN)
    assert (report.verdict, report.mark) == (EN.empty, "unsure")


def test_what_was_asked_by_whom_and_who_agreed_stands_on_it():
    text = text_of(worded(facts(), Language.EN))
    for said in (
        REQUEST.case_number, REQUEST.legal_basis, REQUEST.reason, "Yossi Cohen", "il-police-90031",
        "il-police-10442", "דנה לוי", "2025-11-23 12:13:20Z to 2025-11-23 12:15:20Z",
        "Two cameras only", "signs the video", "tpm2", "25.0 h",
    ):  # fmt: skip
        assert said in text, said


def test_custody_names_persons_and_refusals():
    (_, table) = section(worded(facts(), Language.EN), "custody").blocks
    rows = [[without_isolates(cell.text) for cell in row] for row in table.rows]
    looked = ["60", "2025-11-23 13:20:00Z", "דנה לוי", "was allowed: the timeline", "north 10:00"]
    assert looked in rows
    assert rows[1][2:] == ["the pole", "was refused: a preview", "certificate_unknown (3)"]
    assert [row[3] for row in rows[3:6]] == [
        "asked for an export", "approved the export", "export begun",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("witness", "said"),
    [
        (WitnessEntry(size=0, t_utc_us=None, window_us=None, span_window_us=None),
         "No witness has ever signed"),
        (WitnessEntry(size=9, t_utc_us=None, window_us=None, span_window_us=None),
         "tells no time"),
        (WitnessEntry(size=9, t_utc_us=START_US, window_us=90_000_000, span_window_us=60_000_000),
         "Of the span asked for, 60.0 s lie after it"),
        (WitnessEntry(size=9, t_utc_us=START_US, window_us=90_000_000, span_window_us=0),
         "is 90.0 s older than this export (2025-11-23 12:13:20Z)"),
    ],
)  # fmt: skip
def test_the_window_since_the_last_witness_is_told_in_words(witness, said):
    assert said in text_of(worded(with_export(facts(), witness=witness), Language.EN))


def test_a_clock_that_was_not_synchronised_is_told():
    found = with_export(facts(), clock=ClockEntry(START_US, 3_600_000_000, False, "boot"))
    assert "was NOT synchronised. It may be off from UTC by 60.0 min or more" in text_of(
        worded(found, Language.EN)
    )


def test_a_timestamp_that_failed_is_told():
    found = with_export(facts(), timestamp=TimestampEntry("failed", "refused by the authority"))
    assert "gave no timestamp: refused by the authority" in text_of(worded(found, Language.EN))


def test_a_redacted_copy_says_what_was_done_and_where():
    request = redacted_request()
    report = worded(facts(request=request), Language.EN)
    text = text_of(report)
    assert "north 10,20-110,220" in text
    assert EN.kind_redacted_note in text
    assert report.finding == EN.finding_intact_redacted, "no original is here"
    assert section(report, "recorded").heading == EN.section_originals
    damaged = text_of(worded(facts(request=request, damaged=True), Language.EN))
    assert EN.finding_damaged_here not in damaged


def test_an_alert_of_another_time_is_not_drawn_at_the_edge():
    found = facts()
    late = msgspec.structs.replace(found.digest.alerts[0], t_utc_us=START_US + 86_400_000_000)
    digest = msgspec.structs.replace(found.digest, alerts=(*found.digest.alerts, late))
    with_late = msgspec.structs.replace(found, digest=digest)
    assert worded(with_late, Language.EN) == worded(found, Language.EN)


def test_an_unsynchronised_time_is_explained_where_it_stands():
    found = facts()
    (first, *others) = found.digest.custody
    unsure = msgspec.structs.replace(first, synchronised=False)
    digest = msgspec.structs.replace(found.digest, custody=(unsure, *others))
    report = worded(msgspec.structs.replace(found, digest=digest), Language.EN)
    assert EN.custody_unsynchronised in text_of(report)
    assert EN.custody_unsynchronised not in text_of(worded(found, Language.EN))


def test_a_long_export_is_told_by_segments_and_no_damage_is_left_out():
    found = facts(segments=250, damaged=True)
    assert found.digest.gop_count > MAX_GOP_ROWS
    note, table = section(worded(found, Language.EN), "parts").blocks
    assert without_isolates(note.text).startswith("There are 2490 groups of pictures")
    assert isinstance(table, Table)
    assert len(table.rows) == found.digest.segment_count
    assert sum(row[-1].mark == "bad" for row in table.rows) == 2


def test_a_week_stays_small():
    found = facts(segments=9000, damaged=True)
    assert len(found.digest.segments) < 2000
    assert len(found.digest.bars) < 20
    assert len(as_html(worded(found, Language.EN))) < 2_000_000
    listed = {(line.camera_id, line.segment) for line in found.digest.segments}
    assert {("north", 404), ("south", 407)} <= listed


HOSTILE = (
    "x</title></style><script>alert(1)</script>\"'><img src=//evil.example/a onerror=b>{{7*7}}"
)
TURNED = "safe\u202egnp.exe\u2066\u2069\u2069\u2069\u200f{request}"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("hostile", [HOSTILE, TURNED])
def test_whoever_writes_a_name_a_case_or_a_reason_writes_only_text(language, hostile):
    request = msgspec.structs.replace(
        REQUEST, case_number=hostile, legal_basis=hostile, reason=hostile
    )
    found = facts(damaged=True, request=request, stills=[Still("a.jpg", hostile, START_US)])
    found = msgspec.structs.replace(
        found,
        requester=msgspec.structs.replace(found.requester, name=hostile, organisation=hostile),
    )
    names = dict.fromkeys(found.export.names, hostile)
    found = with_export(
        found, site=hostile, node=hostile, software=hostile, names=names, damage=(hostile,),
        notes=(hostile,), key_homes={hostile: hostile},
    )  # fmt: skip
    harmless = Page(as_html(worded(facts(damaged=True, stills=[Still("a.jpg", "b", 1)]), language)))
    page = Page(as_html(worded(found, language)))
    assert "script" not in page.tags
    assert page.tags.count("img") == harmless.tags.count("img") == 1
    assert {name for _, name, _ in page.attributes if name.startswith("on")} == set()
    # All that turns or isolates text is ours, and each isolate is closed where it was opened.
    assert not re.search("[\u200e\u200f\u202a-\u202e\u2067]", page.text)
    assert page.text.count("\u2069") == len(re.findall("[\u2066\u2068]", page.text))
    if hostile is HOSTILE:
        assert HOSTILE in page.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_one_file_that_asks_for_nothing_but_its_stills(language):
    still = Still("north-1.jpg", "north", START_US, of_alert=True)
    html = as_html(worded(facts(stills=[still]), language))
    page = Page(html)
    sources = [value for _, name, value in page.attributes if name in {"src", "href", "srcset"}]
    assert sources == ["stills/north-1.jpg"]
    assert "url(" not in html.replace("url(#hatch)", "")
    assert "@import" not in html
    assert ("html", "lang", language.value) in page.attributes
    assert ("html", "dir", "rtl" if language is Language.HE else "ltr") in page.attributes
    assert {"script", "link", "iframe", "object"} & set(page.tags) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_timeline_says_in_words_what_it_shows(language):
    (drawing, _) = section(worded(facts(damaged=True), language), "timeline").blocks
    assert isinstance(drawing, Drawing)
    styles = {getattr(shape, "style", "label") for shape in drawing.shapes}
    assert {"intact", "damaged", "lost", "unproven", "gap", "lock", "hold", "alert"} <= styles
    assert {style for style, _ in drawing.legend} == styles - {"label", "axis", "ground"}
    for shape in drawing.shapes:
        if hasattr(shape, "width"):
            assert 0 <= shape.x <= shape.x + shape.width <= drawing.width
    assert without_isolates(drawing.words).count("1") >= 2


@pytest.mark.parametrize("words", [EN, HE])
def test_every_action_of_a_person_has_words(words):
    for action in Action:
        assert getattr(words, f"action_{action.value}")


def test_isolates_cannot_be_escaped():
    assert isolated("a\u2069b\n\x1b[31m") == "\u2068a\\u2069b \\x1b[31m\u2069"
    assert code("1\u202e2") == "\u20661\\u202e2\u2069"

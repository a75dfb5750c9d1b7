"""Every finding has a code that can be told by telephone, and a row of the page."""

import re
from pathlib import Path

import roeh.doctor
from roeh.doctor.codes import Code
from roeh.doctor.finding import bad, doubtful, good

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"
PACKAGE = Path(roeh.doctor.__file__).parent


def test_the_page_lists_every_code_as_it_is_and_no_other():
    rows = [
        tuple(cell.strip(" `") for cell in line.split(" | "))
        for line in PAGE.read_text().splitlines()
        if re.match(r"\| `[A-Z]", line)
    ]
    assert [
        (word.lstrip("| `"), means, remedy.removesuffix(" |")) for word, means, remedy in rows
    ] == [(code.word, code.means, code.remedy) for code in Code]


def test_a_code_is_short_and_speakable():
    for code in Code:
        assert re.fullmatch(r"[A-Z]+(-[A-Z]+){1,3}", code.word), code.word
        assert len(code.word) <= 18, code.word
        assert code.means.endswith(".")
        assert code.remedy.endswith(".")


def test_every_code_is_said_by_some_check():
    said = "".join(path.read_text() for path in PACKAGE.glob("*.py"))
    assert [code.name for code in Code if f"Code.{code.name}" not in said] == []


def test_what_is_well_has_the_name_of_its_check():
    assert good("x").of("data_dir").code == "DATA-DIR-OK"


def test_without_a_remedy_of_its_own_a_finding_has_that_of_its_code():
    finding = doubtful(Code.RTC_MISSING, "no rtc0").of("rtc")
    assert (finding.code, finding.remedy) == ("RTC-MISSING", Code.RTC_MISSING.remedy)
    assert bad(Code.DISK_FULL, "full", "mend it").of("data_dir").remedy == "mend it"

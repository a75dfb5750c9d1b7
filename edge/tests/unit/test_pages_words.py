"""The words of the pages: one table a language, whole, and nothing in them that nobody says."""

import re
import string
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from roeh.access.refusals import REMEDIES
from roeh.core.retrieval import Action, ExportState, PersonRole
from roeh.ledger.continuity import GapReason
from roeh.ledger.records import ApprovalRecord, ExportRecord, ReleaseRecord
from roeh.retrieve.health.node_health import Condition
from roeh.retrieve.pages import custody_view, forms, timeline_view, views
from roeh.retrieve.pages.wording import LANGUAGES, Words, table
from roeh.retrieve.visits.auditing import CUSTODY_KINDS

PAGES = Path(views.__file__).parent
#: Keys that are put together where they are used, by what they are put together from.
FAMILIES = {
    "action": [action.value for action in Action],
    "condition": get_args(Condition),
    "error": [
        "ACCESS_REFUSED",
        "EVIDENCE_REFUSED",
        "EXPORT_FAILED",
        "HOLD_REFUSED",
        "MESSAGE_REFUSED",
        "PEER_GONE",
        "RENDER_FAILED",
        "STORAGE_FULL",
        "UNEXPECTED",
        "busy",
        "title_ACCESS_REFUSED",
        "title_PEER_GONE",
    ],
    "fact": custody_view.FACTS,
    "fault": forms.FAULTS,
    "gap": [reason.value for reason in GapReason],
    "kind": timeline_view.KINDS,
    "language": LANGUAGES,
    "nav": [name for name, _, _ in views.PLACES],
    "notice": views.NOTICES,
    "refusal": list(REMEDIES),
    "role": [role.value for role in PersonRole],
    "scheme": views.SCHEMES,
    "state": get_args(ExportState),
    "view": views.SIGHTS,
    "state_means": get_args(ExportState),
    "step": list(custody_view.STEPS),
    "banner": [f"{key}{end}" for key in views.BANNERS for end in ("", "_title")],
    "length": [
        f"{unit}_{form}"
        for unit in ("days", "hours", "minutes", "seconds")
        for form in ("one", "two", "many")
    ],
    "size": ["kib", "mib"],
    "approval": [f"block_{why}" for why in ("own", "role", "stale")],
    "export": [
        *(f"kind_{kind}" for kind in ("full", "redacted")),
        *(f"approver_{verdict}" for verdict in ("approved", "refused")),
    ],
    "request": [
        *(f"{what}_{kind}" for what in ("title", "what") for kind in ("full", "redacted")),
        *("x0", "y0", "x1", "y1"),
    ],
}
#: The same in both: a language is called what its own people call it, units are international.
SAME = {
    "language.en",
    "language.he",
    "fact.reason",
    "fact.what",
    "fact.sha256",
    "banner.alarms",
    "length.both",
}


#: How a template and a module say words.
SAYING = r"""\b_?(?:w|words)(?:\.plain)?\(\s*["']([a-z_0-9.]+)["']"""


def said():
    """Every key that a template or a module says."""
    keys = {f"{family}.{key}" for family, names in FAMILIES.items() for key in names}
    for file in [*PAGES.glob("templates/*.html"), *PAGES.glob("*.py")]:
        text = file.read_text(encoding="utf-8")
        keys |= set(re.findall(SAYING, text))
    return {key for key in keys if not key.endswith((".", "_"))} | set(forms.FIELD_WORDS.values())


def test_both_languages_have_the_same_keys():
    assert set(table("en")) == set(table("he"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_said_has_words_and_no_words_are_left_over(language):
    assert said() == set(table(language))


def test_hebrew_is_hebrew_and_takes_the_same_values():
    for key, english in table("en").items():
        hebrew = table("he")[key]
        assert fields(hebrew) == fields(english), key
        if key not in SAME and not key.startswith("size."):
            assert hebrew != english, key
            assert re.search("[א-ת]", hebrew), key


def fields(words):
    return {name for _, name, _, _ in string.Formatter().parse(words) if name}


def test_a_value_is_visible_isolated_and_no_markup():
    words = Words("he")
    shown = words("timeline.alert", rule="<b>\u202egnihton\u2066", priority=1)
    assert "<b>" not in shown
    assert "<bdi>&lt;b&gt;\N{REPLACEMENT CHARACTER}gnihton\N{REPLACEMENT CHARACTER}</bdi>" in shown
    # A Hebrew keyboard's own marks are left out and leave no trace.
    assert "<bdi>אב</bdi>" in words("timeline.alert", rule="א\u200fב", priority=1)
    plain = words.plain("timeline.lane", camera='"><script>')
    assert "\u2068&#34;&gt;&lt;script&gt;\u2069" in plain


def test_every_record_of_custody_is_a_step_that_has_words():
    steps = {"looked", "refused", "requested", "hold", "erasure", "tamper", "trust_list"}
    steps |= set(get_args(get_type_hints(ExportRecord)["step"]))
    steps |= {f"release_{step}" for step in get_args(get_type_hints(ReleaseRecord)["step"])}
    verdicts = get_args(get_type_hints(ApprovalRecord)["verdict"])
    steps |= {{"approved": "approved", "refused": "disapproved"}[verdict] for verdict in verdicts}
    assert set(custody_view.STEPS) == steps
    assert set(CUSTODY_KINDS) <= set(custody_view.KINDS)

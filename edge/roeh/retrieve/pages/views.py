"""What the templates show: typed, and nothing in them that a template would have to judge."""

from __future__ import annotations

import urllib.parse
from typing import Literal

import msgspec
from markupsafe import Markup

from roeh.access.roles import survives_stale
from roeh.core.retrieval import Action, ExportRequest, Person
from roeh.retrieve.api.answers import Export
from roeh.retrieve.health.node_health import Condition, ProcessHealth
from roeh.retrieve.pages.custody_view import Step
from roeh.retrieve.pages.wording import Language

Scheme = Literal["auto", "light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("auto", "light", "dark")

#: What hangs above a page; `notice` of a page that follows what was done.
BANNERS = ("stale", "no_list", "clock", "alarms", "evidence_silent")
NOTICES = ("hold_placed", "release_asked", "released", "requested", "approved", "refused", "trust")

#: The pages that are reached from everywhere, and what somebody must be allowed to be shown them.
PLACES: tuple[tuple[str, str, Action], ...] = (
    ("overview", "/", Action.SEE_HEALTH),
    ("timeline", "/timeline", Action.SEE_TIMELINE),
    ("custody", "/custody", Action.SEE_CUSTODY),
    ("trust", "/trust", Action.OFFER_TRUST_LIST),
)


#: How a fisheye's picture may be looked at; by a letter: a virtual camera that looks there.
COMPASS = ("n", "ne", "e", "se", "s", "sw", "w", "nw")
SIGHTS = ("panorama", "double_panorama", "quad", *COMPASS, "picture")


class Banner(msgspec.Struct, frozen=True):
    """Something wrong that a visitor should know before they go on."""

    key: str
    weight: Literal["warning", "bad"]
    values: dict[str, str] = {}


class Problem(msgspec.Struct, frozen=True):
    """What went wrong: its stable code, the stable word of a refusal, and the line of it.

    The line is for whoever has to look into it, so it is in English in every language. `words`
    is the key of the words for the visitor.
    """

    words: str
    code: str
    word: str
    line: str


class Place(msgspec.Struct, frozen=True):
    """An entry of the navigation."""

    name: str
    path: str
    is_here: bool


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What every page has round its own content.

    Attributes:
        may: what their role may do; evidence judges each deed anyway.
        query: of this page, to come back to it in another language.
        has_fisheye: a camera's picture may be looked at in several ways.
    """

    site: str
    node: str
    software: str
    language: Language
    scheme: Scheme
    path: str
    query: tuple[tuple[str, str], ...] = ()
    now_utc_us: int
    clock_error_us: int
    is_synchronised: bool
    person: Person | None = None
    may: frozenset[Action] = frozenset()
    is_trust_stale: bool = False
    has_fisheye: bool = False
    banners: tuple[Banner, ...] = ()
    notice: str = ""
    problem: Problem | None = None

    def allows(self, action: str) -> bool:
        """Whether they are shown the way to it."""
        return Action(action) in self.actions

    @property
    def actions(self) -> tuple[Action, ...]:
        """What they may now, in the table's order."""
        return tuple(
            action
            for action in Action
            if action in self.may and (survives_stale(action) or not self.is_trust_stale)
        )

    @property
    def places(self) -> tuple[Place, ...]:
        """The navigation."""
        return tuple(
            Place(name, path, is_here=self.path == path)
            for name, path, action in PLACES
            if action in self.may
        )

    def with_choice(self, name: str, value: str) -> str:
        """This page's address with another language or scheme."""
        kept = [(key, text) for key, text in self.query if key not in (name, "done")]
        return f"{self.path}?{urllib.parse.urlencode([*kept, (name, value)])}"


class OverviewView(msgspec.Struct, frozen=True, kw_only=True):
    """The first page. `condition` is None while evidence does not answer."""

    condition: Condition | None
    troubled: tuple[ProcessHealth, ...] = ()
    exports_waiting: int = 0
    exports: tuple[Export, ...] = ()
    older_before: int | None = None


class Shot(msgspec.Struct, frozen=True):
    """One camera in a span: addresses of a still and a preview; empty: nothing is recorded.

    Attributes:
        at_utc_us: of the still.
        recorded: the still as the camera gave it, where what is shown is a view made of it.
        width_px, height_px: of the recorded picture, which the still may be smaller than; 0:
            not known.
    """

    camera_id: str
    still: str = ""
    preview: str = ""
    at_utc_us: int = 0
    width_px: int = 0
    height_px: int = 0
    recorded: str = ""


class MomentView(msgspec.Struct, frozen=True, kw_only=True):
    """What is seen of a short span; `is_shortened`: more was asked for."""

    from_utc_us: int
    to_utc_us: int
    shots: tuple[Shot, ...]
    sight: str = SIGHTS[0]
    alert_picture: str = ""
    is_shortened: bool = False

    @property
    def cameras(self) -> tuple[str, ...]:
        """Those that are shown."""
        return tuple(shot.camera_id for shot in self.shots)

    def around(self) -> tuple[int, int]:
        """Five minutes before and after, for the timeline."""
        five_minutes_us = 300_000_000
        return max(0, self.from_utc_us - five_minutes_us), self.to_utc_us + five_minutes_us


class RegionText(msgspec.Struct, frozen=True):
    """A region as somebody wrote it."""

    camera_id: str = ""
    x0: str = ""
    y0: str = ""
    x1: str = ""
    y1: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether no number was written."""
        return not (self.x0 or self.y0 or self.x1 or self.y1)


class RequestView(msgspec.Struct, frozen=True, kw_only=True):
    """The form of a request; stills to choose regions on, for a redacted one."""

    kind: Literal["full", "redacted"]
    stills: tuple[Shot, ...] = ()
    regions: tuple[RegionText, ...] = ()


class DetailView(msgspec.Struct, frozen=True, kw_only=True):
    """One export.

    Attributes:
        is_moving: it goes on by itself, so the page looks again.
        approval_block: why this visitor cannot approve; empty: they can.
        steps: its custody; None: not for this visitor.
        names: who the pseudonyms in it are.
    """

    row: Export
    request: ExportRequest | None
    is_moving: bool
    verdict: Literal["approved", "refused"]
    progress_words: Markup
    size_words: Markup
    may_fetch: bool
    bundle_path: str
    fetch_command: str
    approve_command: str
    approval_block: str
    steps: tuple[Step, ...] | None
    names: dict[str, str] = {}


class CustodyView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the log, newest first; `older_before` is the leaf that the next begins before."""

    steps: tuple[Step, ...]
    names: dict[str, str] = {}
    older_before: int | None = None
    is_newest: bool = True


class TrustView(msgspec.Struct, frozen=True, kw_only=True):
    """The trust list in force; version 0: none."""

    version: int
    issued_utc_us: int
    age_us: int | None

"""What the desk passes on: one table of topics, built here and nowhere else.

`roeh/view/v1/{audience}/…`: the republisher alone publishes there, and each audience reads its
own branch. Poles neither read nor publish there.
"""

from __future__ import annotations

import enum

import msgspec

from roeh.transport.topics import JPEG, JSON

VIEW_ROOT = "roeh/view/v1"
#: The branch of the control room; no audience may have this name, nor the one below.
CONTROL = "control"
#: The branch of ONVIF events, unless adapters.onvif.prefix says otherwise.
ONVIF = "onvif"


class View(enum.Enum):
    """Who is told what."""

    CONTROL_ALERT = "control-alert"
    CONTROL_THUMB = "control-thumb"
    CONTROL_ALARM = "control-alarm"
    JOINT_ALERT = "joint-alert"
    JOINT_THUMB = "joint-thumb"
    PARENT_TEXT = "parent-text"


class ViewRow(msgspec.Struct, frozen=True):
    """One row of the table.

    Attributes:
        shape: the topic after `roeh/view/v1/`; what stands in braces is a name.
        qos: MQTT quality of service it is published with.
        retained: whether the broker keeps the last one for those who come later.
        content_type: MQTT 5 content type of the payload.
        carries: what is said there, for the generated document.
    """

    view: View
    shape: str
    qos: int
    retained: bool
    content_type: str
    carries: str


VIEW_TOPICS: dict[View, ViewRow] = {
    row.view: row
    for row in (
        ViewRow(
            View.CONTROL_ALERT, "control/{site}/{node}/alert", 1, False, JSON,
            "To the control room: every alert message that is in the desk's database.",
        ),
        ViewRow(
            View.CONTROL_THUMB, "control/{site}/{node}/thumb", 1, False, JPEG,
            "To the control room: every picture. User properties: alert_id, sha256.",
        ),
        ViewRow(
            View.CONTROL_ALARM, "control/{site}/{node}/alarm", 1, False, JSON,
            "To the control room: what operators did with an alarm.",
        ),
        ViewRow(
            View.JOINT_ALERT, "{audience}/{sector}/alert", 1, False, JSON,
            "To a joint patrol: alerts of its sectors, with their place.",
        ),
        ViewRow(
            View.JOINT_THUMB, "{audience}/{sector}/thumb", 1, False, JPEG,
            "To a joint patrol: pictures of its sectors. User properties: alert_id, sha256.",
        ),
        ViewRow(
            View.PARENT_TEXT, "{audience}/{place}/text", 1, False, JSON,
            "To a parent patrol: place and kind, delayed; the broker forgets it in time.",
        ),
    )
}  # fmt: skip


class ViewTopic(msgspec.Struct, frozen=True):
    """A topic in its parts: `names` stand for those in braces, in that order."""

    view: View
    names: tuple[str, str]

    @property
    def row(self) -> ViewRow:
        """Its row of the table."""
        return VIEW_TOPICS[self.view]

    def __str__(self) -> str:
        first, second = self.names
        branch, _, last = self.row.shape.rpartition("/")
        start = f"{CONTROL}/" if branch.startswith(f"{CONTROL}/") else ""
        return f"{VIEW_ROOT}/{start}{first}/{second}/{last}"


def view_filter(audience: str) -> str:
    """What this audience subscribes to: its branch, all of it."""
    return f"{VIEW_ROOT}/{audience}/#"

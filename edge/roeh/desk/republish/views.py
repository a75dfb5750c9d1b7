"""What is said of an alert message and of a picture, to the control room and joint patrols."""

from __future__ import annotations

import msgspec

from roeh.core.config import DeskConfig
from roeh.core.types import Alert
from roeh.desk.republish.audiences import joint_shares, places_of
from roeh.desk.republish.feed import PictureRow
from roeh.transport.messages import ALERT_ID, SHA256, picture_type
from roeh.transport.topics import JSON
from roeh.transport.view_messages import ViewMessage, joint_alert
from roeh.transport.view_topics import View, ViewTopic


def alert_views(
    config: DeskConfig, alert: Alert, earlier_bearings_deg: tuple[float, ...]
) -> list[ViewMessage]:
    """An alert message, to all that see it."""
    places = places_of(config, alert.site, alert.node)
    said = [
        _json(ViewTopic(View.CONTROL_ALERT, (alert.site, alert.node)), msgspec.json.encode(alert))
    ]
    for share in joint_shares(config, alert, earlier_bearings_deg):
        body = joint_alert(alert, sector=share.sector, places=places, in_sector=share.in_sector)
        topic = ViewTopic(View.JOINT_ALERT, (share.audience, share.sector))
        said.append(_json(topic, msgspec.json.encode(body)))
    return said


def picture_views(config: DeskConfig, alert: Alert, picture: PictureRow) -> list[ViewMessage]:
    """The picture of an alert message, to all that see it; a sector that was left does not."""
    topics = [ViewTopic(View.CONTROL_THUMB, (alert.site, alert.node))]
    topics += [
        ViewTopic(View.JOINT_THUMB, (share.audience, share.sector))
        for share in joint_shares(config, alert)
    ]
    return [
        ViewMessage(
            topic=str(topic),
            payload=picture.picture,
            content_type=picture_type(picture.picture),
            user_properties=((ALERT_ID, picture.id), (SHA256, picture.sha256)),
        )
        for topic in topics
    ]


def _json(topic: ViewTopic, payload: bytes) -> ViewMessage:
    return ViewMessage(topic=str(topic), payload=payload, content_type=JSON)

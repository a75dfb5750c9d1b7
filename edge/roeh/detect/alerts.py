"""From a finding of a rule to an alert that says where in the world it happened."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from roeh.core.clock import NS_PER_US, ClockReading
from roeh.core.config import NodeConfig
from roeh.core.ids import Ids
from roeh.core.peers import StoreAlert
from roeh.core.types import (
    ADVISORY_KINDS,
    Alert,
    AlertDraft,
    AlertPhase,
    ClearedBy,
    ClockState,
    EvidenceReference,
    Track,
    Where,
)
from roeh.detect.groups import Groups
from roeh.media.frames import PixelFrame
from roeh.media.masks import mask_of
from roeh.media.thumbnail import PictureFormat, render_thumbnail
from roeh.optics.configured import pole_from
from roeh.optics.ground import locate
from roeh.optics.rig import Rig
from roeh.vision.manifest import VerifiedModel
from roeh.vision.rules import Finding, Subject

#: An utterly lost clock is stated as this much, the largest that stays exact everywhere.
_MAX_ERROR_US = 2**53 - 1


class AlertBuilder:
    """Makes alerts of one node: ids, place, picture.

    Args:
        config: of the node.
        rig: its cameras.
        ids: makes the ids of messages.
        models: the model that each camera is looked at with.
    """

    def __init__(
        self, config: NodeConfig, rig: Rig, ids: Ids, models: Mapping[str, VerifiedModel]
    ) -> None:
        self._config = config
        self._rig = rig
        self._pole = pole_from(config)
        self._ids = ids
        self._models = models
        self._masks = {section.name: mask_of(section) for section in config.sensors}
        is_thrifty = config.broker.profile == "thrifty"
        self._picture_format: PictureFormat = "webp" if is_thrifty else "jpeg"
        self._raised_ids: dict[tuple[str, int], str] = {}
        self._groups = Groups()

    def build(
        self, finding: Finding, frame: PixelFrame, tracks: Sequence[Track], *, synchronised: bool
    ) -> StoreAlert:
        """The alert for a finding, with a thumbnail if its objects can be seen.

        Args:
            finding: what a rule found in this frame.
            frame: the picture it was found in.
            tracks: all live tracks as of that picture.
            synchronised: whether the node's clock was disciplined then.
        """
        # First: an id tells the instant it was made, and that is when the rule came true.
        message_id = self._ids.new()
        info = frame.info
        taken = ClockReading(
            t_mono_ns=info.t_mono_ns,
            t_utc_ns=info.t_utc_ns,
            utc_error_ns=info.utc_error_ns,
            synchronised=synchronised,
            boot_id=info.boot_id,
        )
        return self._stored(finding, message_id, taken, self._thumbnail(finding, frame, tracks))

    def build_without_picture(self, finding: Finding, now: ClockReading) -> StoreAlert:
        """The alert for a finding about no picture: none comes.

        Args:
            finding: what a rule found.
            now: when it did.
        """
        return self._stored(finding, self._ids.new(), now, None)

    def _stored(
        self, finding: Finding, message_id: str, taken: ClockReading, thumbnail: bytes | None
    ) -> StoreAlert:
        key = (finding.rule, finding.number)
        if finding.phase is AlertPhase.RAISED:
            self._raised_ids[key] = message_id
        raised_id = self._raised_ids[key]
        if finding.phase is AlertPhase.CLEARED:
            del self._raised_ids[key]
        subject = finding.subject
        draft = AlertDraft(
            id=message_id,
            raised_id=raised_id,
            site=self._config.node.site,
            node=self._config.node.name,
            boot_id=taken.boot_id,
            phase=finding.phase,
            priority=finding.priority,
            rule=finding.rule,
            rule_kind=finding.rule_kind,
            zone=finding.zone,
            label=finding.label,
            confidence=round(finding.confidence, 3),
            where=_rounded(locate(finding.position, self._rig, self._pole)),
            track_ids=finding.track_ids,
            count=finding.count,
            dwell_s=round(finding.dwell_s, 2),
            t_utc_us=taken.t_utc_ns // NS_PER_US,
            t_mono_us=taken.t_mono_ns // NS_PER_US,
            clock=_clock_state(taken),
            evidence=finding.evidence,
            model_sha256=self._model_sha256(finding),
            advisory=finding.rule_kind in ADVISORY_KINDS,
            level_db=None if subject is None else subject.level_db,
            group_id=self._groups.of(finding, message_id, taken.t_mono_ns),
            chatter=finding.chatter,
            thumbnail_sha256=None if thumbnail is None else hashlib.sha256(thumbnail).hexdigest(),
            cleared_by=ClearedBy.RULE if finding.phase is AlertPhase.CLEARED else None,
        )
        return StoreAlert(draft=draft, thumbnail=thumbnail)

    def _thumbnail(
        self, finding: Finding, frame: PixelFrame, tracks: Sequence[Track]
    ) -> bytes | None:
        """The street round the finding's objects, as far as this sensor shows them."""
        if finding.phase is AlertPhase.CLEARED:
            return None
        sensor_name = frame.info.camera_id
        if finding.subject is not None:
            return self._subject_thumbnail(finding.subject, frame)
        shown = [
            track
            for track in tracks
            if track.id in finding.track_ids and track.sensor == sensor_name
        ]
        if not shown:
            return None
        shown.sort(key=lambda track: (not track.seen, -track.confidence, track.id))
        return render_thumbnail(
            frame,
            self._rig.sensor(sensor_name),
            [np.asarray(track.outline_sensor_px, np.float64) for track in shown],
            self._masks[sensor_name],
            self._picture_format,
        )

    def _subject_thumbnail(self, subject: Subject, frame: PixelFrame) -> bytes | None:
        if subject.sensor != frame.info.camera_id:
            return None
        return render_thumbnail(
            frame,
            self._rig.sensor(subject.sensor),
            [np.asarray(subject.outline_sensor_px, np.float64)]
            if subject.outline_sensor_px
            else [],
            self._masks[subject.sensor],
            self._picture_format,
        )

    def _model_sha256(self, finding: Finding) -> str | None:
        if finding.subject is not None and not finding.subject.rests_on_model:
            return None
        return self._models[finding.evidence.camera_id].sha256


def cleared_by_restart(alert: Alert, message_id: str, now: ClockReading) -> StoreAlert:
    """The message that ends an alert of a detection before this one.

    Args:
        alert: its newest message.
        message_id: of the new message.
        now: when detection began anew; the message rests on no picture.
    """
    now_us = now.t_mono_ns // NS_PER_US
    given = msgspec.structs.asdict(alert)
    # What evidence gives when it stores an alert stays behind.
    fields = {name: given[name] for name in AlertDraft.__struct_fields__}
    fields.update(
        id=message_id,
        phase=AlertPhase.CLEARED,
        cleared_by=ClearedBy.RESTART,
        boot_id=now.boot_id,
        t_utc_us=now.t_utc_ns // NS_PER_US,
        t_mono_us=now_us,
        clock=_clock_state(now),
        evidence=EvidenceReference(alert.evidence.camera_id, 0, 0, now_us, now_us),
        track_ids=(),
        thumbnail_sha256=None,
    )
    return StoreAlert(draft=AlertDraft(**fields), thumbnail=None)


def _clock_state(reading: ClockReading) -> ClockState:
    return ClockState(
        synchronised=reading.synchronised,
        error_us=min(reading.utc_error_ns // NS_PER_US, _MAX_ERROR_US),
    )


def _rounded(where: Where) -> Where:
    """Centimetres and hundredths of a degree, below every sigma; 1e-7 degrees are 11 mm."""
    return Where(
        bearing_deg=round(where.bearing_deg, 2) % 360.0,
        bearing_sigma_deg=round(where.bearing_sigma_deg, 2),
        range_m=round(where.range_m, 2),
        range_sigma_m=round(where.range_sigma_m, 2),
        east_m=round(where.east_m, 2),
        north_m=round(where.north_m, 2),
        latitude_deg=None if where.latitude_deg is None else round(where.latitude_deg, 7),
        longitude_deg=None if where.longitude_deg is None else round(where.longitude_deg, 7),
        position_sigma_m=round(where.position_sigma_m, 2),
    )

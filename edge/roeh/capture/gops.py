"""From coded pictures to groups that can be decoded each by itself. Pure.

A group is cut where decoding can start (IDR of H.264, IRAP of H.265) and nowhere else. A
group that lost a picture ends before the loss; nothing is taken up again but at the next
key picture, and that group says why.
"""

from __future__ import annotations

from roeh.capture.stamps import Stamps, orderly
from roeh.core.clock import NS_PER_S, NS_PER_US, ClockReading
from roeh.core.gop import (
    MAX_GOP_BYTES,
    MAX_GOP_UNITS,
    TICKS_PER_S,
    AccessUnit,
    Discontinuity,
    Gop,
)
from roeh.sources.coded import CodedPicture

#: What a picture takes where nothing tells: 25 a second.
_DEFAULT_STEP = TICKS_PER_S // 25


class GopBuilder:
    """Collects the pictures of one camera over one run of capture.

    Args:
        camera_id: the sensor.
        capture_id: of this run of capture.
        max_bytes: a group above it is dropped.
        max_units: likewise.
    """

    def __init__(
        self,
        camera_id: str,
        capture_id: str,
        *,
        max_bytes: int = MAX_GOP_BYTES,
        max_units: int = MAX_GOP_UNITS,
    ) -> None:
        self.dropped = 0
        self.longest_ns = 0
        self._camera_id = camera_id
        self._capture_id = capture_id
        self.max_bytes = max_bytes
        self._max_units = max_units
        self._seq = 0
        self._pending: Discontinuity | None = Discontinuity.CAPTURE_START
        self._open: list[CodedPicture] = []
        self._open_bytes = 0
        self._open_from_ns = 0
        self._open_discontinuity: Discontinuity | None = None
        self._last_dts: int | None = None
        self._step = _DEFAULT_STEP
        self._end_ns = 0

    @property
    def is_dropping(self) -> bool:
        """Whether the last group was too large and no key picture has come since."""
        return not self._open and self._pending is Discontinuity.GOP_TOO_LARGE

    def add(self, picture: CodedPicture) -> Gop | None:
        """Take the next picture; the group that it ends, if it ends one.

        Pictures before a key picture are passed over.
        """
        why = picture.discontinuity
        finished: Gop | None = None
        if picture.is_key:
            # A new format goes on in time. What begins anew leaves the group before it whole.
            goes_on = why in {None, Discontinuity.FORMAT_CHANGED}
            whole = why is not Discontinuity.SOURCE_RECONNECTED
            finished = self._close(picture.at if goes_on else None, is_complete=whole)
        elif why is not None:
            finished = self._close(None, is_complete=False)
        if why is not None:
            self._pending = self._pending or why
            self._last_dts = None
        if picture.is_key:
            self._begin(picture)
        elif self._open:
            self._append(picture)
        return finished

    def damaged(self) -> Gop | None:
        """A picture was lost: the group before the loss, if one was open."""
        return self._break(Discontinuity.DAMAGED)

    def end(self, resumes_as: Discontinuity) -> Gop | None:
        """No more pictures for now: the group as far as it came; what comes later says why."""
        finished = self._break(resumes_as)
        self._last_dts = None
        return finished

    def _break(self, why: Discontinuity) -> Gop | None:
        finished = self._close(None, is_complete=False)
        self._pending = self._pending or why
        return finished

    def _begin(self, picture: CodedPicture) -> None:
        self._open_discontinuity, self._pending = self._pending, None
        # Groups of a camera neither overlap nor lie in each other's past.
        self._open_from_ns = max(picture.at.t_mono_ns, self._end_ns)
        self._append(picture)

    def _append(self, picture: CodedPicture) -> None:
        self._open.append(picture)
        self._open_bytes += len(picture.nal_units)
        if self._open_bytes > self.max_bytes or len(self._open) > self._max_units:
            self._note_length(picture.at.t_mono_ns)
            self._open = []
            self._open_bytes = 0
            self._seq += 1
            self.dropped += 1
            self._pending = Discontinuity.GOP_TOO_LARGE

    def _close(self, next_at: ClockReading | None, *, is_complete: bool) -> Gop | None:
        """The open group; `next_at` is when the picture that follows it was taken."""
        if not self._open:
            return None
        pictures, self._open, self._open_bytes = self._open, [], 0
        ticks = orderly(
            [Stamps(picture.dts, picture.pts) for picture in pictures],
            after_dts=self._last_dts,
            step=self._step,
        )
        self._last_dts = ticks[-1].dts
        shown = sorted(one.pts for one in ticks)
        if len(shown) > 1:
            self._step = max(1, shown[-1] - shown[-2])
        first_ns = self._open_from_ns
        if next_at is not None:
            end_ns = next_at.t_mono_ns
        else:
            lasts = shown[-1] - ticks[0].pts + self._step
            end_ns = first_ns + lasts * NS_PER_S // TICKS_PER_S
        self._end_ns = end_ns = max(end_ns, first_ns + NS_PER_US)
        self._note_length(end_ns)
        self._seq += 1
        at = pictures[0].at
        return Gop(
            camera_id=self._camera_id,
            capture_id=self._capture_id,
            seq=self._seq,
            discontinuity=self._open_discontinuity,
            is_complete=is_complete,
            codec_config=pictures[0].codec_config,
            units=tuple(
                AccessUnit(picture.nal_units, one.dts, one.pts, picture.is_key)
                for picture, one in zip(pictures, ticks, strict=True)
            ),
            boot_id=at.boot_id,
            t_first_mono_us=first_ns // NS_PER_US,
            t_end_mono_us=end_ns // NS_PER_US,
            t_utc_us=max(0, at.t_utc_ns + first_ns - at.t_mono_ns) // NS_PER_US,
            utc_error_us=at.utc_error_ns // NS_PER_US,
            synchronised=at.synchronised,
            is_masked=pictures[0].is_masked,
        )

    def _note_length(self, end_ns: int) -> None:
        self.longest_ns = max(self.longest_ns, end_ns - self._open_from_ns)

"""Groups of pictures as a capture would send them: real H.264 or H.265, small and quick."""

import fractions
import functools
import re

import av
import numpy as np

from roeh.core.clock import SimulatedClock
from roeh.core.gop import TICKS_PER_S, AccessUnit, CodecConfig, Discontinuity, Gop
from roeh.core.ids import ClockIds

BOOT_ID = "8be4df61-93ca-4ad2-9b9b-0242ac120002"
FPS = 10
UNITS_PER_GOP = 5
#: What one group lasts.
GOP_US = UNITS_PER_GOP * 1_000_000 // FPS

_ENCODERS = {"h264": "libx264", "h265": "libx265"}
_PARAMETER_SET_TYPES = {"h264": {7, 8}, "h265": {32, 33, 34}}
_START_CODE = re.compile(rb"\x00*\x00\x00\x01")
_EPOCH_US = 1_760_000_000_000_000


class GopSource:
    """One run of capture: the groups of one camera, one after the other.

    `mono_us` and `utc_us` are when the next picture is taken; move them to make a gap.
    """

    def __init__(
        self,
        camera_id="north",
        *,
        codec="h264",
        width_px=160,
        height_px=96,
        boot_id=BOOT_ID,
        mono_us=1_000_000,
        utc_us=_EPOCH_US,
        reorder=False,
        noise=0,
    ):
        self.camera_id = camera_id
        self.boot_id = boot_id
        self.mono_us = mono_us
        self.utc_us = utc_us
        self.capture_id = _new_id()
        self.seq = 0
        self.is_masked = False
        self._stream = (codec, width_px, height_px, reorder, noise)
        self._units_sent = 0

    def next(self, *, discontinuity=None, is_complete=True):
        """The next group; the first of a run says that it is."""
        config, groups = encoded(*self._stream)
        units = groups[self.seq % len(groups)]
        self.seq += 1
        if self.seq == 1 and discontinuity is None:
            discontinuity = Discontinuity.CAPTURE_START
        base = self._units_sent * TICKS_PER_S // FPS - units[0].dts
        first_us, first_utc_us = self.mono_us, self.utc_us
        self._units_sent += len(units)
        self.skip(len(units) * 1_000_000 // FPS)
        return Gop(
            camera_id=self.camera_id,
            capture_id=self.capture_id,
            seq=self.seq,
            discontinuity=discontinuity,
            is_complete=is_complete,
            codec_config=config,
            units=tuple(
                AccessUnit(u.nal_units, u.dts + base, u.pts + base, u.is_key) for u in units
            ),
            boot_id=self.boot_id,
            t_first_mono_us=first_us,
            t_end_mono_us=self.mono_us,
            t_utc_us=first_utc_us,
            utc_error_us=2000,
            synchronised=True,
            is_masked=self.is_masked,
        )

    def take(self, count):
        """The next `count` groups."""
        return [self.next() for _ in range(count)]

    def skip(self, duration_us):
        """Time passes in which no picture is taken."""
        self.mono_us += duration_us
        self.utc_us += duration_us

    def resize(self, width_px, height_px):
        """The camera changes its format."""
        codec, _, _, reorder, noise = self._stream
        self._stream = (codec, width_px, height_px, reorder, noise)

    def restart_capture(self):
        """A new run of capture: another id, counting from 1."""
        self.capture_id = _new_id()
        self.seq = 0
        self._units_sent = 0


_IDS = ClockIds(SimulatedClock())


def _new_id():
    return _IDS.new()


@functools.cache
def encoded(codec="h264", width_px=160, height_px=96, reorder=False, noise=0):
    """(configuration, four groups of access units) of a square that moves.

    `noise` grey levels of noise make pictures larger; `reorder` uses pictures that are
    decoded before they are shown.
    """
    context = av.CodecContext.create(_ENCODERS[codec], "w")
    context.width, context.height, context.pix_fmt = width_px, height_px, "yuv420p"
    context.framerate = fractions.Fraction(FPS)
    context.time_base = fractions.Fraction(1, FPS)
    context.thread_count = 1
    context.flags |= av.codec.context.Flags.global_header
    structure = f"keyint={UNITS_PER_GOP}:min-keyint={UNITS_PER_GOP}:scenecut=0:open-gop=0"
    structure += f":bframes={2 if reorder else 0}"
    if codec == "h265":
        structure += ":log-level=none:pools=none:frame-threads=1"
    parameters = {"h264": "x264-params", "h265": "x265-params"}[codec]
    context.options = {"preset": "ultrafast", parameters: structure}
    packets = []
    for index in range(4 * UNITS_PER_GOP):
        frame = av.VideoFrame.from_ndarray(_picture(index, width_px, height_px, noise), "gray")
        frame = frame.reformat(format="yuv420p")
        frame.pts = index
        packets += context.encode(frame)
    packets += context.encode(None)
    sets = tuple(
        nal
        for nal in _annex_b(context.extradata)
        if _type(codec, nal) in _PARAMETER_SET_TYPES[codec]
    )
    groups = []
    for packet in packets:
        if packet.is_keyframe:
            groups.append([])
        groups[-1].append(_unit(packet))
    config = CodecConfig(codec, sets, width_px, height_px)
    return config, tuple(tuple(group) for group in groups)


def _picture(index, width_px, height_px, noise):
    picture = np.full((height_px, width_px), 90, np.uint8)
    left = 8 + 4 * index
    picture[height_px // 3 : 2 * height_px // 3, left : left + 24] = 220
    if noise:
        levels = np.random.default_rng(index).integers(0, noise, picture.shape)
        picture = (picture // 2 + levels).astype(np.uint8)
    return picture


def _unit(packet):
    ticks = TICKS_PER_S // FPS
    nal_units = b"".join(len(nal).to_bytes(4, "big") + nal for nal in _annex_b(bytes(packet)))
    return AccessUnit(nal_units, packet.dts * ticks, packet.pts * ticks, packet.is_keyframe)


def _annex_b(stream):
    return [nal for nal in _START_CODE.split(stream) if nal]


def _type(codec, nal):
    return nal[0] & 0x1F if codec == "h264" else nal[0] >> 1 & 0x3F

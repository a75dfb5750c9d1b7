"""What a camera on this board is told about light: exposure, gain, colour, infrared filter."""

from __future__ import annotations

from roeh.core.config import LightSection
from roeh.core.log import log_for
from roeh.core.types import Light
from roeh.sources.light.day_night import DayNight
from roeh.sources.light.exposure import Exposure, ExposureLimits, ExposureLoop
from roeh.sources.light.ir_cut import IrCut, IrCutFailed
from roeh.sources.picamera2.camera import BoardCamera, Metadata

_US_PER_S = 1_000_000

_log = log_for("sources")


class LightControl:
    """Follows the light for one camera, over all its connections.

    Args:
        section: how it is to be exposed.
        ir_cut: switches filter and lamps; None where there are none.
        fps: a picture cannot be exposed for longer than it lasts.
    """

    def __init__(self, section: LightSection, ir_cut: IrCut | None, fps: float) -> None:
        self._section = section
        self._ir_cut = ir_cut
        self._fps = fps
        self._loop: ExposureLoop | None = None
        self._last: Exposure | None = None
        self._day_night: DayNight | None = None
        if section.ir_cut is not None and ir_cut is not None:
            most_s = min(section.max_exposure_s, 1 / fps) * section.max_gain
            self._day_night = DayNight(section.ir_cut, most_s)

    @property
    def is_night(self) -> bool:
        """Whether the filter is away."""
        return self._day_night is not None and self._day_night.is_night

    def begin(self, camera: BoardCamera) -> None:
        """A camera was configured: set it up as the light was last.

        Raises:
            CameraFailed: it refuses.
        """
        self._loop = None
        if self._day_night is not None:
            self._day_night.interrupt()
        limits = self._limits(camera)
        if limits is not None:
            self._loop = ExposureLoop(limits, self._last)
            self._expose(camera, self._loop.asked)
        self._colour(camera)

    def light_of(self, metadata: Metadata) -> Light | None:
        """How a picture was exposed; None where the camera does not tell."""
        if metadata.exposure_us is None or metadata.gain is None:
            return None
        return Light(metadata.exposure_us, max(metadata.gain, 1.0), self.is_night)

    def see(self, camera: BoardCamera, light: Light | None, mean_luma: float, t_ns: int) -> None:
        """Take a picture's light, and tell the camera what follows from it.

        Raises:
            CameraFailed: it refuses.
        """
        if light is None:
            return
        taken_with = Exposure(light.exposure_us, light.gain)
        if self._loop is not None:
            wanted = self._loop.see(mean_luma, taken_with, t_ns)
            if wanted is not None:
                self._last = wanted
                self._expose(camera, wanted)
        day_night = self._day_night
        if day_night is not None and day_night.see(taken_with.total_us / _US_PER_S, t_ns):
            self._switch()
            self._colour(camera)

    def _switch(self) -> None:
        if self._ir_cut is None:
            return
        try:
            self._ir_cut.switch(is_night=self.is_night)
        except IrCutFailed as failed:
            _log.warning("%s", failed)

    def _limits(self, camera: BoardCamera) -> ExposureLimits | None:
        """None where the camera exposes as it likes."""
        exposure_us, gain = camera.range_of("ExposureTime"), camera.range_of("AnalogueGain")
        if exposure_us is None or gain is None:
            return None
        section = self._section
        most_us = min(section.max_exposure_s, 1 / self._fps) * _US_PER_S
        # Some cameras state 0 for no limit.
        if exposure_us.most > 0:
            most_us = min(most_us, exposure_us.most)
        least_us = max(1, round(exposure_us.least))
        return ExposureLimits(
            half_period_us=_US_PER_S / (2 * section.mains_hz) if section.mains_hz else 0.0,
            least_us=least_us,
            most_us=max(round(most_us), least_us),
            most_gain=max(1.0, min(section.max_gain, gain.most) if gain.most else section.max_gain),
        )

    def _expose(self, camera: BoardCamera, exposure: Exposure) -> None:
        camera.set_controls(
            {
                "AeEnable": False,
                "ExposureTime": exposure.exposure_us,
                "AnalogueGain": exposure.gain,
            }
        )

    def _colour(self, camera: BoardCamera) -> None:
        """Infrared has no colour: what would look like some is the filter's stripes."""
        if self._section.ir_cut is not None:
            camera.set_controls({"Saturation": 0.0 if self.is_night else 1.0})

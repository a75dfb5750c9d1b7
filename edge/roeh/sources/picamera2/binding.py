"""The only place that knows picamera2 and libcamera: a typed face on both.

picamera2 takes every board for a Pi 4 that is not a Pi 5, so its own choice of encoder is of
no use off a Pi. What is done with a camera stands in `camera`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from roeh.core.errors import CameraMissing

#: Where the kernel tells what /dev/video11 is, the one device that picamera2 encodes with.
_ENCODER_NAME = Path("/sys/class/video4linux/video11/name")
_ENCODER_OF_VC4 = "bcm2835-codec-encode"

#: Every name of the package picamera2 that is used here, for a comparison with the real one.
USED = (
    "MappedArray.__enter__",
    "MappedArray.__exit__",
    "MappedArray.__init__",
    "MappedArray.array",
    "picamera2.CameraManager.reset",
    "Picamera2.__init__",
    "Picamera2.camera_configuration",
    "Picamera2.camera_controls",
    "Picamera2.cancel_all_and_flush",
    "Picamera2.capture_request",
    "Picamera2.close",
    "Picamera2.configure",
    "Picamera2.create_video_configuration",
    "Picamera2.global_camera_info",
    "Picamera2.set_controls",
    "Picamera2.start",
    "Picamera2.start_encoder",
    "Picamera2.stop_encoder",
    "Picamera2.stop_preview",
    "encoders.h264_encoder.H264Encoder.__init__",
    "encoders.libav_h264_encoder.LibavH264Encoder.__init__",
    "job.Job.get_result",
    "outputs.Output.__init__",
    "outputs.Output.outputframe",
    "request.CompletedRequest.get_metadata",
    "request.CompletedRequest.release",
)


@dataclass(frozen=True, slots=True)
class Library:
    """What is used of picamera2, by its own names.

    `hardware_encoder` gives the class only when it is asked for: its module opens devices.
    """

    Picamera2: Any
    MappedArray: Any
    Output: Any
    LibavH264Encoder: Any
    hardware_encoder: Callable[[], Any]


def load_library() -> Library:
    """The real one.

    Raises:
        CameraMissing: it is not installed, or not for this interpreter.
    """
    try:
        from picamera2 import MappedArray, Picamera2  # noqa: PLC0415 - only boards have it
        from picamera2.encoders.libav_h264_encoder import LibavH264Encoder  # noqa: PLC0415 - as above
        from picamera2.outputs import Output  # noqa: PLC0415 - as above
    except Exception as error:  # noqa: BLE001 - numpy of another version is a ValueError there
        reason = line_of(error)
        remedy = (
            "install the system's python3-picamera2, and make the venv of roeh with that Python "
            "and --system-site-packages"
        )
        if "numpy" in reason:
            remedy = "install the system's version of numpy in the venv of roeh too"
        raise CameraMissing(
            what=f"picamera2 cannot be loaded: {reason}",
            which="source kind picamera2",
            remedy=remedy,
        ) from None
    return Library(Picamera2, MappedArray, Output, LibavH264Encoder, _hardware_encoder)


def _hardware_encoder() -> Any:  # noqa: ANN401 - a class of a library without types
    from picamera2.encoders.h264_encoder import H264Encoder  # noqa: PLC0415 - likewise

    return H264Encoder


class Attached(msgspec.Struct, frozen=True):
    """A camera as libcamera lists it."""

    model: str
    path: str


def attached_cameras(library: Library) -> list[Attached]:
    """All cameras, by number.

    Raises:
        CameraMissing: libcamera cannot even look.
    """
    try:
        found = library.Picamera2.global_camera_info()
        return [Attached(str(one.get("Model", "?")), str(one["Id"])) for one in found]
    except Exception as error:  # noqa: BLE001 - whatever a library without types raises
        raise CameraMissing(
            what=f"libcamera cannot list cameras: {line_of(error)}",
            which="source kind picamera2",
            remedy="let roeh's user into the groups video and render",
        ) from None


def forget_cameras(library: Library) -> None:
    """Let libcamera look anew for cameras, if none is open: its list is otherwise kept."""
    manager = library.Picamera2._cm
    if not manager.cameras:
        manager.reset()


def has_hardware_encoder(name_file: Path = _ENCODER_NAME) -> bool:
    """Whether this board is one whose encoder picamera2 knows (VC4: Pi 4 and before)."""
    try:
        return name_file.read_text(encoding="utf-8").startswith(_ENCODER_OF_VC4)
    except OSError:
        return False


def line_of(error: BaseException) -> str:
    """The innermost reason, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__

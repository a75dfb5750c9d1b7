"""From a sound card, or a WAV file, to levels: the one place where samples are.

A piece of 50 ms is read, measured and overwritten by the next; the caller is told a number.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from roeh.core.clock import NS_PER_S, Clock
from roeh.sources.microphone.level import LevelMeter

_RATE_HZ = 48_000
_PIECE_SAMPLES = _RATE_HZ // 20
#: The ALSA in PyAV's wheel looks for its configuration where it was built.
_ALSA_CONFIG_DIR = "/usr/share/alsa"


class MicrophoneFailed(Exception):
    """It cannot be listened to; the text says why. Never leaves the package."""


def listen(device: str, clock: Clock, stop: threading.Event, told: Callable[[float], None]) -> None:
    """Measure until `stop`, or until a file has ended.

    Args:
        device: an ALSA name, or the path of a WAV file (with a slash in it), which is played
            as fast as it was recorded.
        clock: for a file's pace.
        stop: ends it.
        told: the loudest level of each 50 ms, dB relative to full scale; -inf for zeros alone.

    Raises:
        MicrophoneFailed: it is not there, is no sound, or gives no more.
    """
    os.environ.setdefault("ALSA_CONFIG_DIR", _ALSA_CONFIG_DIR)
    is_file = "/" in device
    if is_file and not Path(device).is_file():
        raise MicrophoneFailed("no such file")
    meter = LevelMeter(_RATE_HZ)
    began_ns, pieces = clock.mono_ns(), 0
    try:
        with av.open(
            f"file:{device}" if is_file else device,
            format="wav" if is_file else "alsa",
            options={"protocol_whitelist": "file"} if is_file else {},
        ) as sound:
            resampler = av.AudioResampler("flt", "mono", _RATE_HZ, _PIECE_SAMPLES)
            for frame in sound.decode(audio=0):
                for piece in resampler.resample(frame):
                    samples = piece.to_ndarray()[0]
                    level_db = meter.loudest_db(samples)
                    told(level_db if np.any(samples) else -np.inf)
                    pieces += 1
                    if is_file:
                        due_ns = began_ns + pieces * _PIECE_SAMPLES * NS_PER_S // _RATE_HZ
                        clock.wait(max(0.0, (due_ns - clock.mono_ns()) / NS_PER_S), stop)
                    if stop.is_set():
                        return
    except (av.FFmpegError, OSError, IndexError) as error:
        raise MicrophoneFailed(str(error).strip() or type(error).__name__) from None
    if not pieces:
        raise MicrophoneFailed("there is no sound in it")

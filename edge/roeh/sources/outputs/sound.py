"""A spoken message or a siren through the sound card: a WAV file, by FFmpeg's ALSA output.

The device is held only while something is played. What is in the card's buffer when it is let off
is dropped with the device: silence comes within a tenth of a second.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import av
from av.audio.frame import AudioFrame

from roeh.core.config import SoundOutput
from roeh.sources.outputs.output import OutputFailed

#: What every sound card plays.
_RATE_HZ = 48_000
_LAYOUT = "stereo"
_FORMAT = "s16"
#: Pieces of sound that are written at once: so soon it is silent.
_PIECE_SAMPLES = _RATE_HZ // 20
_JOIN_S = 2.0
#: The ALSA in PyAV's wheel looks for its configuration where it was built.
_ALSA_CONFIG_DIR = "/usr/share/alsa"


class SoundPlayer:
    """Plays one file, once each time it is let on.

    Raises:
        OutputFailed: the file is no sound.
    """

    def __init__(self, section: SoundOutput) -> None:
        os.environ.setdefault("ALSA_CONFIG_DIR", _ALSA_CONFIG_DIR)
        self._section = section
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.trouble = ""
        next(self._pieces(), None)

    def on(self) -> None:
        """See Output."""
        self.off()
        self.trouble = ""
        device = self._open_device()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._play, args=(device, self._stop), name="sound", daemon=True
        )
        self._thread.start()

    def off(self) -> None:
        """See Output."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
            if self._thread.is_alive():
                raise OutputFailed(f"{self._section.device} does not end playing")
            self._thread = None

    def close(self) -> None:
        """See Output."""
        self.off()

    def _play(self, device: av.container.OutputContainer, stop: threading.Event) -> None:
        try:
            with device:
                stream = device.streams.audio[0]
                for piece in self._pieces():
                    if stop.is_set():
                        return
                    device.mux(stream.encode(piece))
        except (av.FFmpegError, OSError) as error:
            self.trouble = f"{self._section.device} plays no more: {error}"
        except OutputFailed as error:
            self.trouble = str(error)

    def _open_device(self) -> av.container.OutputContainer:
        try:
            device = av.open(self._section.device, "w", format="alsa")
            device.add_stream("pcm_s16le", rate=_RATE_HZ, layout=_LAYOUT)
            device.start_encoding()  # opens it
        except (av.FFmpegError, OSError) as error:
            raise OutputFailed(f"{self._section.device} cannot be had: {error}") from None
        return device

    def _pieces(self) -> Iterator[AudioFrame]:
        try:
            with av.open(self._section.file) as sound:
                resampler = av.AudioResampler(_FORMAT, _LAYOUT, _RATE_HZ, _PIECE_SAMPLES)
                for frame in sound.decode(audio=0):
                    yield from resampler.resample(frame)
                yield from resampler.resample(None)
        except (av.FFmpegError, OSError, IndexError) as error:
            raise OutputFailed(f"{self._section.file} is no sound: {error}") from None

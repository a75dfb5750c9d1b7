"""A video file as a run of pictures with orderly times, once or over and over."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.errors import LensError, SourceUnreadable
from roeh.core.types import Size
from roeh.media.compressed import CompressedFormat, CompressedPacket
from roeh.media.decode import DecodedPicture, PictureFormat, VideoFailed, VideoInput
from roeh.sources.timeline import FootageTimeline

# Reading a named file never reaches for another file's or host's content.
_OPTIONS = {"protocol_whitelist": "file"}
# A video whose declared length is missing by more than this was cut off.
_MISSING_SHARE = 0.05
# Sides may differ by this much from the lens's aspect: rounding of a scaled picture.
_ASPECT_TOLERANCE = 0.01
# Packets that wait for the next picture, at most: no decoder holds back more than 17.
_MAX_WAITING_PACKETS = 256


class FootagePicture(msgspec.Struct, frozen=True):
    """A picture and when it was taken, since the first one given."""

    since_ns: int
    picture: DecodedPicture


class FootagePacket(msgspec.Struct, frozen=True):
    """A packet as it was read.

    Attributes:
        packet: itself.
        video: what is known of the video as of this packet.
        begins_again: whether it is the first one after the footage began again.
        follows_loss: whether packets before it were not kept.
    """

    packet: CompressedPacket
    video: CompressedFormat
    begins_again: bool
    follows_loss: bool


class VideoFacts(msgspec.Struct, frozen=True):
    """What is known of a video before it is read."""

    size: Size
    fps: float
    duration_s: float | None


class Footage:
    """A video file; a context manager.

    Args:
        path: of the file.
        loop: whether it starts again, from its beginning, at its end.
        start_s: where in the file the first picture lies.
        keeps_packets: whether packets are kept for `take_packets`.
    """

    def __init__(
        self, path: str, *, loop: bool = False, start_s: float = 0.0, keeps_packets: bool = False
    ) -> None:
        self.path = path
        self._keeps_packets = keeps_packets
        self._packets: deque[FootagePacket] = deque()
        self._begins_again = False
        self._loop = loop
        self._start_s = start_s
        self._input: VideoInput | None = None
        self._first: DecodedPicture | None = None
        self._facts: VideoFacts | None = None
        self._note = ""

    def __enter__(self) -> Footage:
        """Open the file and decode its first picture: what shows one is a video.

        Raises:
            SourceUnreadable: nothing there, no video, no picture, or `start_s` past the end.
        """
        self._input = video = _open(self.path)
        try:
            if self._start_s > 0:
                video.seek(self._start_s)
            self._pictures = _from_start(self._read(video), self._start_s)
            self._first = next(self._pictures, None)
            if self._first is None:
                raise SourceUnreadable(
                    what="no picture can be decoded",
                    which=f"{self.path} from second {self._start_s:g}",
                    remedy="give a video that plays, and start_s before its end",
                )
            self._facts = VideoFacts(self._first.size, video.fps, video.declared_duration_s)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the decoder back."""
        if self._input is not None:
            self._input.close()
            self._input = None

    @property
    def facts(self) -> VideoFacts:
        """Size, rate and length; known once entered."""
        if self._facts is None:
            raise RuntimeError("footage is used before it is entered")
        return self._facts

    @property
    def note(self) -> str:
        """Why the pictures ended, in a line."""
        return self._note

    def take_packets(self) -> list[FootagePacket]:
        """The packets read since the last time, those of the last picture given among them."""
        taken = list(self._packets)
        self._packets.clear()
        return taken

    def pictures(self) -> Iterator[FootagePicture]:
        """The pictures, from where the footage stands; times grow across every loop."""
        timeline = FootageTimeline(round(NS_PER_S / self.facts.fps))
        picture, self._first = self._first, None
        while picture is not None:
            since_ns = timeline.place(picture.pts_ns)
            yield FootagePicture(since_ns, picture)
            picture = next(self._pictures, None)
            if picture is None:
                self._note = self._ending(since_ns)
                if not self._loop:
                    return
                timeline.splice()
                self._rewind()
                picture = next(self._pictures, None)

    def _rewind(self) -> None:
        self.close()
        self._input = _open(self.path)
        self._begins_again = True
        self._pictures = self._read(self._input)

    def _read(self, video: VideoInput) -> Iterator[DecodedPicture]:
        def keep(packet: CompressedPacket) -> None:
            self._keep(video, packet)

        return video.pictures(keep if self._keeps_packets else None)

    def _keep(self, video: VideoInput, packet: CompressedPacket) -> None:
        if len(self._packets) == _MAX_WAITING_PACKETS:
            self._packets.popleft()
            first = self._packets.popleft()
            self._packets.appendleft(msgspec.structs.replace(first, follows_loss=True))
        self._packets.append(
            FootagePacket(
                packet=packet,
                video=video.compressed_format,
                begins_again=self._begins_again,
                follows_loss=False,
            )
        )
        self._begins_again = False

    def _ending(self, since_ns: int) -> str:
        video = self._input
        if video is None:
            return "closed"
        declared_s = video.declared_duration_s
        reached_s = self._start_s + since_ns / NS_PER_S + 1 / video.fps
        if declared_s is not None and reached_s < declared_s * (1 - _MISSING_SHARE):
            return f"the file is cut off: {reached_s:.1f} s of {declared_s:.1f} s can be read"
        if video.damaged_packets:
            return f"end of file; {video.damaged_packets} damaged pictures were left out"
        return "end of file"


def probe(path: str) -> VideoFacts:
    """Size, rate and length of a video file.

    Raises:
        SourceUnreadable: it is not there or is not video.
    """
    with Footage(path) as footage:
        return footage.facts


def fitted(found: Size, lens_size: Size | None, which: str) -> PictureFormat:
    """The format in which pictures of that size serve a lens.

    A picture of another size but the lens's aspect (a camera's smaller stream) is scaled.

    Raises:
        LensError: another aspect, so it cannot be this lens's picture.
    """
    if lens_size is None or lens_size == found:
        return PictureFormat.of_video(found)
    if not serves(found, lens_size):
        raise LensError(
            what="the picture has another shape than its lens",
            which=f"{found.width_px}x{found.height_px} from {which}, "
            f"lens for {lens_size.width_px}x{lens_size.height_px}",
            remedy="set the lens's width_px and height_px to the camera's picture",
        )
    return PictureFormat.of_video(lens_size)


def serves(found: Size, lens_size: Size) -> bool:
    """Whether a picture of that size can be the lens's, scaled."""
    ratio = found.width_px * lens_size.height_px / (found.height_px * lens_size.width_px)
    return abs(ratio - 1) <= _ASPECT_TOLERANCE


def _open(path: str) -> VideoInput:
    """The file as a video, after the plain questions that FFmpeg answers badly."""
    target = Path(path)
    reason = ""
    if not path or not target.exists():
        reason = "no such file"
    elif target.is_dir():
        reason = "a directory, not a video file"
    elif target.is_file() and target.stat().st_size == 0:
        reason = "an empty file"
    if reason:
        raise SourceUnreadable(
            what=reason, which=path or "(no path)", remedy="give the path of a video file"
        )
    try:
        return VideoInput(f"file:{path}", options=_OPTIONS)
    except VideoFailed as failed:
        raise SourceUnreadable(
            what=f"cannot be opened as a video ({failed.reason})",
            which=path,
            remedy="give a video file that plays",
        ) from failed


def _from_start(pictures: Iterator[DecodedPicture], start_s: float) -> Iterator[DecodedPicture]:
    """The pictures from `start_s` on."""
    start_ns = round(start_s * NS_PER_S)
    for picture in pictures:
        if start_ns == 0 or picture.pts_ns is None or picture.pts_ns >= start_ns:
            yield picture
            break
    yield from pictures

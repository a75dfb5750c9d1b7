"""A clip as an RTSP camera in a process of its own, faster than any camera sends."""

from __future__ import annotations

import argparse
import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from roeh.bench.rtp import RtpStream, description
from roeh.bench.rtsp_server import shake_hands
from roeh.bitstream.codec_config import parse_record
from roeh.core.clock import SystemClock
from roeh.core.parent import tied_environment

#: A real camera gives 15 or 25 pictures a second; the stamps stay those of the clip.
_PICTURES_PER_S = 120.0
_TICKS_PER_S = 90_000


@contextlib.contextmanager
def rtsp_camera(clip: Path) -> Iterator[str]:
    """The address of a camera that sends the clip, again and again."""
    command = [sys.executable, "-m", "roeh.bench.rtsp_camera", str(clip)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=tied_environment()
    ) as camera:
        assert camera.stdout is not None
        try:
            yield f"rtsp://127.0.0.1:{camera.stdout.readline().strip()}/clip"
        finally:
            camera.kill()


def main() -> int:
    """Serve one client at a time until killed; the port is the first line said."""
    parser = argparse.ArgumentParser(prog="roeh.bench.rtsp_camera", description=__doc__)
    parser.add_argument("clip", type=Path)
    clip: Path = parser.parse_args().clip
    sets, pictures = _coded(clip)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                if shake_hands(connection, description("h264", sets)):
                    _send(connection, pictures)


def _coded(clip: Path) -> tuple[tuple[bytes, ...], list[tuple[list[bytes], int]]]:
    """Parameter sets, and the NAL units and stamp of every picture."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        sets, length_bytes = parse_record("h264", stream.codec_context.extradata or b"")
        seconds = stream.time_base or Fraction(1, _TICKS_PER_S)
        pictures = [
            (
                _nal_units(bytes(packet), length_bytes),
                round((packet.pts or 0) * seconds * _TICKS_PER_S),
            )
            for packet in container.demux(stream)
            if packet.size
        ]
    return tuple(sets), pictures


def _nal_units(content: bytes, length_bytes: int) -> list[bytes]:
    found: list[bytes] = []
    at = 0
    while at < len(content):
        start = at + length_bytes
        at = start + int.from_bytes(content[at:start], "big")
        found.append(content[start:at])
    return found


def _send(connection: socket.socket, pictures: list[tuple[list[bytes], int]]) -> None:
    clock = SystemClock()
    rtp = RtpStream("h264", ssrc=1, first_sequence=0)
    round_ticks = pictures[-1][1] + pictures[1][1] - pictures[0][1]
    origin = 0
    while True:
        for nals, stamp in pictures:
            connection.sendall(rtp.packets(nals, origin + stamp))
            clock.wait(1 / _PICTURES_PER_S)
        origin += round_ticks


if __name__ == "__main__":
    sys.exit(main())

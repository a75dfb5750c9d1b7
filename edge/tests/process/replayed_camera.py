"""Cameras that send what was coded beforehand: GStreamer's RTSP server, the system's own Python.

Usage: replayed_camera.py PORT DIRECTORY

Every file NAME.stream in the directory is a camera at /NAME; each client is sent it from its
beginning. A file is a line of JSON (codec h264, h265 or jpeg, rate: pictures a second, loops, drop:
every so manieth RTP packet is lost, from_packet, timestamp_offset of RTP, extra: what else the
camera sends), then pictures: stamp in ns (8 bytes, big endian, -1 for none), length (4), bytes.

Writes "listening" when it does.
"""

import json
import pathlib
import struct
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PIPELINE = (
    "( appsrc name=pictures is-live=true format=time block=false max-bytes=0"
    " caps={caps}"
    # Payloaders send lists of packets; behind `identity` they come one by one, to be lost.
    " ! rtp{codec}pay pt=96{offset} ! identity name=pay{place} {extra} )"
)
CAPS = {
    "h264": "video/x-h264,stream-format=byte-stream,alignment=au",
    "h265": "video/x-h265,stream-format=byte-stream,alignment=au",
    "jpeg": "image/jpeg,width=320,height=240",
}
EXTRAS = {
    "": "",
    "audio": "audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay1 pt=0",
    "audio-first": "audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay0 pt=0",
    "second-video": "videotestsrc is-live=true"
    " ! video/x-raw,format=I420,width=160,height=96,framerate=10/1"
    " ! jpegenc ! rtpjpegpay name=pay1 pt=26",
}


class Stream:
    """One file."""

    def __init__(self, path):
        head, _, rest = path.read_bytes().partition(b"\n")
        self.told = json.loads(head)
        self.pictures = []
        while rest:
            stamp_ns, length = struct.unpack(">qI", rest[:12])
            self.pictures.append((stamp_ns, rest[12 : 12 + length]))
            rest = rest[12 + length :]

    def pipeline(self):
        offset = self.told.get("timestamp_offset")
        extra = self.told.get("extra", "")
        return PIPELINE.format(
            codec=self.told["codec"],
            caps=CAPS[self.told["codec"]],
            place=1 if extra == "audio-first" else 0,
            offset="" if offset is None else f" timestamp-offset={offset}",
            extra=EXTRAS[extra],
        )

    def configure(self, _factory, media):
        element = media.get_element()
        source = element.get_by_name("pictures")
        over = threading.Event()
        media.connect("unprepared", lambda _media: over.set())
        drop = self.told.get("drop")
        if drop:
            pad = element.get_by_name("pay0").get_static_pad("src")
            pad.add_probe(Gst.PadProbeType.BUFFER, Loss(**drop).pick)
        threading.Thread(target=self._send, args=(source, over), daemon=True).start()

    def _send(self, source, over):
        begins_ns = 0
        while not over.is_set():
            for stamp_ns, content in self.pictures:
                buffer = Gst.Buffer.new_wrapped(content)
                if stamp_ns >= 0:
                    buffer.pts = begins_ns + stamp_ns
                source.emit("push-buffer", buffer)
                if over.wait(1 / self.told["rate"]):
                    return
            if not self.told.get("loops"):
                return
            begins_ns += len(self.pictures) * 10**9 // self.told["rate"]


class Loss:
    """Drops one packet in `every`, from packet `after` on, at most `most`."""

    def __init__(self, every, after=0, most=1 << 30):
        self._every, self._after, self._most = every, after, most
        self._count = self._lost = 0

    def pick(self, _pad, _info):
        self._count += 1
        is_due = self._count > self._after and self._count % self._every == 0
        if not is_due or self._lost == self._most:
            return Gst.PadProbeReturn.OK
        self._lost += 1
        return Gst.PadProbeReturn.DROP


def main(port, directory):
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    for path in pathlib.Path(directory).glob("*.stream"):
        stream = Stream(path)
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(stream.pipeline())
        factory.connect("media-configure", stream.configure)
        server.get_mount_points().add_factory(f"/{path.stem}", factory)
    if server.attach(None) == 0:
        sys.exit(f"cannot listen on port {port}")
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])

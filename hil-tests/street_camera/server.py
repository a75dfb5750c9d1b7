"""The camera itself: GStreamer's RTSP server, run by the system's own Python.

Usage: server.py ADDRESS PORT FOOTAGE RATE

Sends the footage (footage.py says how it lies in its file) as rtsp://ADDRESS:PORT/street, over
and over, in real time, to everybody the same. Writes "listening" when it does.
"""

import struct
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PIPELINE = (
    "( appsrc name=pictures is-live=true format=time do-timestamp=true block=false max-bytes=0"
    " caps=video/x-h264,stream-format=byte-stream,alignment=au"
    " ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)


def pictures_of(path):
    """The access units of a footage file."""
    with open(path, "rb") as file:  # noqa: PTH123 - nothing else of this file needs pathlib
        while head := file.read(4):
            yield file.read(struct.unpack(">I", head)[0])


def feed(source, pictures, rate, over):
    """Push picture after picture until the media is taken down."""
    while True:
        for picture in pictures:
            source.emit("push-buffer", Gst.Buffer.new_wrapped(picture))
            if over.wait(1 / rate):
                return


def main(address, port, footage, rate):
    """Serve until killed."""
    pictures = list(pictures_of(footage))
    Gst.init(None)

    def configure(_factory, media):
        over = threading.Event()
        media.connect("unprepared", lambda _media: over.set())
        source = media.get_element().get_by_name("pictures")
        feeding = (source, pictures, float(rate), over)
        threading.Thread(target=feed, args=feeding, daemon=True).start()

    server = GstRtspServer.RTSPServer()
    server.set_address(address)
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE)
    factory.set_shared(True)
    factory.connect("media-configure", configure)
    server.get_mount_points().add_factory("/street", factory)
    if server.attach(None) == 0:
        sys.exit(f"cannot listen on {address}:{port}")
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])

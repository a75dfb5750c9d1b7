"""A camera for the tests: GStreamer's RTSP server, run by the system's own Python.

Usage: rtsp_camera.py PORT WIDTH HEIGHT h264|h264-reordered|jpeg [USER PASSWORD basic|digest]

Writes "listening" when it does. All clients share one encoder, so that whoever comes
later starts between two key pictures, as with a real camera.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

FPS = 50
KEY_EVERY = 20
PICTURES = (
    "( videotestsrc is-live=true pattern=smpte75"
    " ! video/x-raw,format=I420,width={width},height={height},framerate={fps}/1"
)
H264 = (
    " ! x264enc {structure} sliced-threads=false speed-preset=ultrafast bitrate=2000"
    " key-int-max={key} ! video/x-h264,profile={profile}"
    " ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)
CODECS = {
    "h264": H264.replace("{structure}", "tune=zerolatency").replace("{profile}", "baseline"),
    "h264-reordered": H264.replace("{structure}", "bframes=2 b-adapt=false").replace(
        "{profile}", "main"
    ),
    "jpeg": " ! jpegenc ! rtpjpegpay name=pay0 )",
}


def main(port, width, height, codec, user=None, password=None, method="basic"):
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    pipeline = PICTURES + CODECS[codec]
    factory.set_launch(pipeline.format(width=width, height=height, fps=FPS, key=KEY_EVERY))
    factory.set_shared(True)
    if user is not None:
        protect(server, factory, user, password, method)
    server.get_mount_points().add_factory("/live", factory)
    if server.attach(None) == 0:
        sys.exit(f"cannot listen on port {port}")
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


def protect(server, factory, user, password, method):
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if method == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)


if __name__ == "__main__":
    main(*sys.argv[1:])

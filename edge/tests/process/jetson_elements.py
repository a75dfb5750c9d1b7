"""NVIDIA's elements by name, pads and properties alone, to read pipelines for a Jetson with.

Usage: jetson_elements.py < JSON list of descriptions. For each it writes the properties that
were set, as JSON, or what GStreamer refuses. Run by the system's own Python.
"""

import json
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, GObject, Gst  # noqa: E402

ANY_SIDES = "width=[1,2147483647],height=[1,2147483647],framerate=[0/1,2147483647/1]"
NVMM = "video/x-raw(memory:NVMM)"
# As gst-inspect-1.0 lists them on Jetson Linux 36.
SENSOR = f"{NVMM},format={{NV12,P010_10LE}},{ANY_SIDES}"
CONVERTED = ";".join(
    f"{memory},format={{I420,NV12,GRAY8,BGRx,RGBA}},{ANY_SIDES}" for memory in (NVMM, "video/x-raw")
)
ENCODABLE = f"{NVMM},format={{I420,NV12,P010_10LE,NV24}},{ANY_SIDES}"
ENCODED = "video/x-h264,stream-format=byte-stream,alignment={au,nal}"

TEXT = (str, "", "", None, GObject.ParamFlags.READWRITE)
FLAG = (bool, "", "", False, GObject.ParamFlags.READWRITE)


def number(most):
    return (int, "", "", 0, most, 0, GObject.ParamFlags.READWRITE)


ELEMENTS = {
    "nvarguscamerasrc": (
        {"src": SENSOR},
        {
            "sensor-id": number(255),
            "aeantibanding": number(3),
            "exposuretimerange": TEXT,
            "gainrange": TEXT,
            "ispdigitalgainrange": TEXT,
            "aeregion": TEXT,
        },
    ),
    "nvvidconv": (
        {"sink": CONVERTED, "src": CONVERTED},
        {"interpolation-method": number(5)},
    ),
    "nvv4l2h264enc": (
        {"sink": ENCODABLE, "src": ENCODED},
        {
            "bitrate": number(2**31 - 1),
            "control-rate": number(1),
            "iframeinterval": number(2**31 - 1),
            "idrinterval": number(2**31 - 1),
            "insert-sps-pps": FLAG,
            "profile": number(7),
        },
    ),
}


def register(name, pads, properties):
    templates = tuple(
        Gst.PadTemplate.new(
            pad,
            Gst.PadDirection.SRC if pad == "src" else Gst.PadDirection.SINK,
            Gst.PadPresence.ALWAYS,
            Gst.Caps.from_string(caps),
        )
        for pad, caps in pads.items()
    )

    def begin(self):
        Gst.Element.__init__(self)
        self.given = {}
        for template in templates:
            self.add_pad(Gst.Pad.new_from_template(template, template.name_template))

    def put(self, prop, value):
        self.given[prop.name] = value

    members = {"__gproperties__": properties, "__init__": begin, "do_set_property": put}
    kind = type(f"Jetson{name}", (Gst.Element,), members)
    kind.set_metadata(name, "Test", name, "Roeh")
    for template in templates:
        kind.add_pad_template(template)
    Gst.Element.register(None, name, 0, kind)


def read(description):
    try:
        pipeline = Gst.parse_launch(description)
    except GLib.Error as error:
        return error.message
    found = {}
    elements = pipeline.iterate_elements()
    while (step := elements.next())[0] == Gst.IteratorResult.OK:
        name = step[1].get_factory().get_name()
        if name in ELEMENTS:
            found.setdefault(name, step[1].given)
    return found


if __name__ == "__main__":
    Gst.init(None)
    for name, (pads, properties) in ELEMENTS.items():
        register(name, pads, properties)
    json.dump([read(description) for description in json.load(sys.stdin)], sys.stdout)

"""A drawn square in node.toml: an ordinary camera, and rules that people there fulfil all the time.

One inference a frame, and an alert or more every second.
"""

#: Of a table of [[sensors]], after its name and source.
POSE_AND_LENS = """height_m = 5.0
tilt_deg = 25.0
lens = { model = "pinhole", width_px = 640, height_px = 384, fov_deg = 60.0 }
"""
#: Whoever is before the camera.
ANYBODY = """
[[zones]]
name = "street"
bearing_from_deg = 270.0
bearing_to_deg = 90.0
range_to_m = 30.0
[[rules]]
kind = "zone_entry"
name = "anybody"
zone = "street"
cool_down_s = 0.0
"""


def crossed_line(name, from_m, to_m):
    """A line with its rule; `from_m` and `to_m` are (east, north) in metres."""
    return f"""
[[lines]]
name = "line-{name}"
from_m = {list(from_m)}
to_m = {list(to_m)}
[[rules]]
kind = "line_crossing"
name = "crossing-{name}"
line = "line-{name}"
cool_down_s = 0.0
"""


def crossed_lines():
    """Lines two metres apart, along and across."""
    along = [crossed_line(f"x{n + 5}", (2 * n, 0), (2 * n, 20)) for n in range(-5, 6)]
    across = [crossed_line(f"y{n}", (-20, 2 * n), (20, 2 * n)) for n in range(3, 9)]
    return "".join(along + across)

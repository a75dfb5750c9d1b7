"""What detect does when ordered: a masked picture of a camera, a rule's hours until a time."""

import threading

import cv2
import msgspec
import numpy as np

from roeh.core.config import (
    ComposedSource,
    LensSection,
    MaskSection,
    NodeConfig,
    ScheduleSection,
    SensorSection,
    ZoneEntryRule,
    ZoneSection,
)
from roeh.core.delivery import OrderItem
from roeh.core.order_listener import Carried
from roeh.core.orders import LogLevelOrder, OrderedView, Outcome, ScheduleOrder, SnapshotOrder
from roeh.core.types import Frame
from roeh.detect.orders import DetectOrders
from roeh.media.frames import PixelFrame
from roeh.media.thumbnail import MAX_THUMBNAIL_BYTES
from roeh.vision.rules import OrderedSchedule, RuleEngine
from tests.unit.rule_scenes import node, phases, play, standing
from tests.waiting import wait_until

SIZE = (640, 384)
YARD = ZoneSection(name="yard", polygon_m=((0, 0), (6, 0), (6, 6), (0, 6)))
ENTRY = ZoneEntryRule(name="entry", zone="yard", cool_down_s=0.0)
SOMEBODY = standing({1: (3, 3)})
SECOND_NS = 1_000_000_000


def config(*, masked=False):
    masks = (MaskSection(name="windows", polygon_px=((0, 0), (320, 0), (320, 383), (0, 383))),)
    lens = LensSection(model="pinhole", width_px=SIZE[0], height_px=SIZE[1], fov_deg=60.0)
    sensors = tuple(
        SensorSection(name=name, source=ComposedSource(), lens=lens, masks=masks if masked else ())
        for name in ("north", "south")
    )
    return NodeConfig(sensors=sensors, rules=(ENTRY,), zones=(YARD,))


def frame(picture, camera="north"):
    height_px, width_px = picture.shape[:2]
    return PixelFrame(Frame(camera, 0, 0, 0, 0, "boot", width_px, height_px, "bgr24"), picture)


def plain(value=120):
    return np.full((SIZE[1], SIZE[0], 3), value, np.uint8)


def noise(seed=1, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)


def decoded(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


# A snapshot


class Ordered:
    """One order under way in a thread of its own, as the listener carries it out."""

    def __init__(self, orders, order, until_mono_us=None):
        self._item = OrderItem(row=1, command_id="c", order=order, until_mono_us=until_mono_us)
        self._orders = orders
        self.carried = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        self.carried = self._orders.carry_out(self._item)

    def see_until_done(self, *frames):
        """What detect's loop does all the time."""
        wait_until(lambda: [self._orders.see(one) for one in frames] and self.carried)
        self._thread.join()
        return self.carried


def detect_orders(*, masked=False, timeout_s=10.0, stop=None):
    nodes = config(masked=masked)
    return DetectOrders(nodes, RuleEngine(nodes), stop or threading.Event(), timeout_s=timeout_s)


def test_the_next_picture_of_that_very_camera_is_taken_and_its_masks_are_black():
    ordered = Ordered(detect_orders(masked=True), SnapshotOrder(camera_id="north"))
    carried = ordered.see_until_done(frame(plain(250), "south"), frame(plain(120)))
    assert carried.outcome is Outcome.DONE
    assert len(carried.picture) <= MAX_THUMBNAIL_BYTES
    # Beneath the picture stand the pole's name and the time.
    picture = decoded(carried.picture)[:192]
    assert picture.shape == (192, 320, 3)
    assert picture[:, :150].max() < 12
    assert abs(int(np.median(picture[:, 180:])) - 120) < 5


def test_a_snapshot_fits_whatever_is_seen():
    ordered = Ordered(detect_orders(), SnapshotOrder(camera_id="north"))
    carried = ordered.see_until_done(frame(noise()))
    assert len(carried.picture) <= MAX_THUMBNAIL_BYTES


def test_a_view_is_made_of_all_cameras_and_says_which_gave_nothing():
    orders = detect_orders(timeout_s=0.5)
    panorama = SnapshotOrder(camera_id="north", view=OrderedView(layout="panorama"))
    both = Ordered(orders, panorama).see_until_done(frame(plain(250), "south"), frame(plain()))
    one = Ordered(orders, panorama).see_until_done(frame(plain()))
    whole, part = decoded(both.picture), decoded(one.picture)
    assert whole.shape[1] == 560
    assert part.shape[0] > whole.shape[0]  # a line more


def test_an_order_of_a_desk_that_knows_no_views_is_understood():
    old = b'{"kind":"snapshot","camera_id":"north"}'
    assert msgspec.json.decode(old, type=SnapshotOrder) == SnapshotOrder(camera_id="north")


def test_a_camera_without_pictures_has_no_snapshot():
    ordered = Ordered(detect_orders(timeout_s=0.5), SnapshotOrder(camera_id="north"))
    carried = ordered.see_until_done(frame(plain(), "south"))
    assert carried == Carried(Outcome.FAILED, "no_picture")


def test_nobody_waits_for_a_picture_when_detect_ends():
    stop = threading.Event()
    stop.set()
    ordered = Ordered(detect_orders(stop=stop), SnapshotOrder(camera_id="north"))
    assert ordered.see_until_done(frame(plain(), "south")).outcome is Outcome.FAILED


def test_what_is_for_others_is_said_to_be():
    order = LogLevelOrder(process="capture", level="info")
    assert Ordered(detect_orders(), order).see_until_done(frame(plain())) == Carried(
        Outcome.FAILED, "not_its_order"
    )


# A rule's hours


def engine(schedule=""):
    #: Never on during the scene, which is at 22:13.
    morning = ScheduleSection(name="morning", start="06:00", end="07:00")
    rule = ZoneEntryRule(name="entry", zone="yard", cool_down_s=0.0, schedule=schedule)
    return RuleEngine(node(rule, zones=(YARD,), schedules=(morning,)))


def test_never_clears_what_was_raised_and_ends_by_itself():
    rules = engine()
    assert phases(play(rules, SOMEBODY, 0, 5))[0] == "raised"
    assert rules.order("entry", OrderedSchedule(is_on=False, until_mono_ns=20 * SECOND_NS))
    assert phases(play(rules, SOMEBODY, 5, 20)) == ["cleared"]
    ((raised_s, again), *_) = play(rules, SOMEBODY, 20, 25)
    assert (raised_s, again.phase.value) == (20.0, "raised")


def test_always_holds_outside_the_hours_until_its_time_whatever_utc_does():
    rules = engine(schedule="morning")
    assert play(rules, SOMEBODY, 0, 5) == []
    rules.order("entry", OrderedSchedule(is_on=True, until_mono_ns=20 * SECOND_NS))
    assert phases(play(rules, SOMEBODY, 5, 10))[0] == "raised"
    assert "cleared" not in phases(play(rules, SOMEBODY, 10, 20, utc_step_s=86_400.0))
    assert phases(play(rules, SOMEBODY, 20, 25, utc_step_s=-86_400.0)) == ["cleared"]


def test_as_configured_takes_an_order_back():
    rules = RuleEngine(config())
    orders = DetectOrders(config(), rules, threading.Event())
    for mode, expected in (("never", []), ("as_configured", ["raised"])):
        order = ScheduleOrder(rule="entry", mode=mode, until_utc_us=2**50)
        item = OrderItem(row=1, command_id="c", order=order, until_mono_us=60_000_000)
        assert orders.carry_out(item) == Carried()
        assert phases(play(rules, SOMEBODY, 0, 3)) == expected


def test_a_rule_that_is_not_there_cannot_be_ordered():
    order = ScheduleOrder(rule="nowhere", mode="never", until_utc_us=2**50)
    item = OrderItem(row=1, command_id="c", order=order, until_mono_us=60_000_000)
    assert detect_orders().carry_out(item) == Carried(Outcome.FAILED, "no_such_rule")

"""Day and night follow the daylight and nothing else: not a car, not the camera's own lamps."""

from hypothesis import given, settings
from hypothesis import strategies as st

from roeh.core.clock import NS_PER_S
from roeh.core.config import IrCutSection
from roeh.sources.light.day_night import SETTLE_S, DayNight

quick = settings(max_examples=20, deadline=None)

SECTION = IrCutSection(filter_line=1, lamp_line=2)
MOST_S = 0.04 * 16
#: Exposure that light of 1 needs.
NEEDED_S = 0.02


class Street:
    """Daylight, street lamps included; the camera's own lamps; how much infrared daylight has."""

    def __init__(self, lamps, infrared, section=SECTION, most_s=MOST_S):
        self.lamps, self.infrared, self.most_s = lamps, infrared, most_s
        self.day_night = DayNight(section, most_s)
        self.t_ns = 0
        self._exposure_s = NEEDED_S

    def lasts(self, daylight, seconds, step_s=0.5):
        """The switches while that light lasts; exposure follows within two seconds."""
        switches = []
        for _ in range(round(seconds / step_s)):
            light = daylight
            if self.day_night.is_night:
                light = daylight * self.infrared + self.lamps
            wanted_s = min(max(NEEDED_S / max(light, 1e-9), 1e-5), self.most_s)
            factor = min(max(wanted_s / self._exposure_s, 1 / 16), 16.0)
            self._exposure_s *= factor
            self.t_ns += round(step_s * NS_PER_S)
            if self.day_night.see(self._exposure_s, self.t_ns):
                switches.append(self.day_night.is_night)
        return switches


lamps_of = st.floats(0.0, 500.0)
infrared_of = st.floats(1.0, 15.0)


@quick
@given(lamps=lamps_of, infrared=infrared_of, darkness=st.floats(0.0, 0.005))
def test_in_the_dark_it_becomes_night_once_and_stays_night(lamps, infrared, darkness):
    street = Street(lamps, infrared)
    assert street.lasts(1.0, 60) == []
    assert street.lasts(darkness, 900) == [True]


@quick
@given(lamps=st.floats(0.0, 50.0), infrared=infrared_of)
def test_a_day_has_one_dawn_and_one_dusk_however_slow(lamps, infrared):
    street = Street(lamps, infrared)
    switches = []
    for step in range(140):
        switches += street.lasts(1.0 * 0.9**step, 12, step_s=4.0)
    for step in range(140, -160, -1):
        switches += street.lasts(1.0 * 0.9**step, 12, step_s=4.0)
    assert switches == [True, False]


@quick
@given(
    lamps=st.floats(0.0, 5.0),
    infrared=infrared_of,
    flicker=st.lists(st.floats(0.0, 1000.0), min_size=5, max_size=30),
)
def test_no_light_that_passes_switches_anything(lamps, infrared, flicker):
    street = Street(lamps, infrared)
    assert street.lasts(0.001, 60) == [True]
    for light in flicker:
        assert street.lasts(light, SECTION.switch_after_s / 2) == []
        assert street.lasts(0.001, 5) == []


def test_a_lens_that_was_covered_is_day_again_soon():
    street = Street(lamps=0.1, infrared=2.0)
    assert street.lasts(0.0, SECTION.switch_after_s + SETTLE_S + 10) == [True]
    assert street.lasts(20.0, SECTION.switch_after_s + 10) == [False]


@quick
@given(most_s=st.floats(0.001, 1.0))
def test_a_camera_that_cannot_expose_for_long_sees_night_all_the_same(most_s):
    street = Street(0.1, 2.0, most_s=most_s)
    assert street.lasts(0.0, 60) == [True]


def test_a_gap_in_the_pictures_is_no_night():
    """The camera was away from one dark moment to another, a day later."""
    day_night = DayNight(SECTION, MOST_S)
    day_ns = 86_400 * NS_PER_S
    assert not day_night.see(MOST_S, 1)
    day_night.interrupt()
    assert not day_night.see(MOST_S, day_ns)
    assert day_night.see(MOST_S, day_ns + round(SECTION.switch_after_s * NS_PER_S))

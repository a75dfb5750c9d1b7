"""What is the same alert, gained or lost, when rules change."""

from roeh.core.types import RuleKind, Where
from roeh.tune.comparison import compare
from roeh.tune.footage import Moment
from roeh.tune.hours import by_hour
from roeh.tune.judging import Raised

HERE = Where(
    bearing_deg=10.0,
    bearing_sigma_deg=1.0,
    range_m=8.0,
    range_sigma_m=0.5,
    east_m=1.0,
    north_m=8.0,
    latitude_deg=None,
    longitude_deg=None,
    position_sigma_m=0.5,
)
HOUR_S = 3600


def raised(t_s, *track_ids, until_s=None, rule="gate", label="person", boot_id="a", held_back=0):
    return Raised(
        rule=rule,
        kind=RuleKind.ZONE_ENTRY,
        priority=5,
        zone="gate",
        label=label,
        count=max(1, len(track_ids)),
        number=1,
        camera_id="square",
        at=Moment(boot_id, round(t_s * 1e9)),
        t_utc_us=round(t_s * 1e6),
        cleared_utc_us=None if until_s is None else round(until_s * 1e6),
        where=HERE,
        track_ids=track_ids,
        held_back=held_back,
    )


def counts(before, after):
    (rule,) = compare(before, after)
    return len(rule.kept), len(rule.gained), len(rule.lost)


def test_raised_later_about_the_same_person_is_the_same():
    assert counts([raised(10, 1, until_s=60)], [raised(40, 1, until_s=60)]) == (1, 0, 0)


def test_about_somebody_else_it_is_another():
    assert counts([raised(10, 1)], [raised(10, 2)]) == (0, 1, 1)


def test_after_the_first_was_over_it_is_another():
    assert counts([raised(10, 1, until_s=20)], [raised(30, 1)]) == (0, 1, 1)


def test_a_track_of_another_boot_is_somebody_else():
    assert counts([raised(10, 1)], [raised(10, 1, boot_id="b")]) == (0, 1, 1)


def test_each_is_the_same_as_one_alone_and_as_the_nearest():
    before = [raised(10, 1)]
    near, far = raised(11, 1), raised(30, 1)
    (rule,) = compare(before, [far, near])
    assert rule.kept == ((before[0], near),)
    assert rule.gained == (far,)


def test_a_camera_or_a_noise_is_the_same_within_moments():
    covered = raised(10, label="covered")
    assert counts([covered], [raised(15, label="covered")]) == (1, 0, 0)
    assert counts([covered], [raised(25, label="covered")]) == (0, 1, 1)
    assert counts([covered], [raised(15, label="turned")]) == (0, 1, 1)


def test_a_rule_of_one_side_alone_is_gained_or_lost_whole():
    rules = {one.rule: one for one in compare([raised(1, 1)], [raised(1, 1, rule="new")])}
    assert len(rules["gate"].lost) == len(rules["new"].gained) == 1


def test_what_chatter_held_back_is_counted_on_both_sides():
    (rule,) = compare([raised(1, 1, held_back=3), raised(9, 2)], [raised(1, 1, held_back=1)])
    assert (rule.held_back_before, rule.held_back_after) == (3, 1)


def test_hours_count_each_rule_and_leave_out_those_without_any():
    before = [raised(10, 1), raised(5 * HOUR_S, 2)]
    rows = by_hour(compare(before, [*before, raised(5 * HOUR_S + 1, 3, rule="new")]))
    assert [(row.begin_us // (HOUR_S * 1_000_000), row.before, row.after) for row in rows] == [
        (0, 1, 1),
        (5, 1, 2),
    ]


def test_a_day_of_an_alert_a_second_is_compared_in_a_moment():
    before = [raised(t_s, t_s, until_s=t_s + 1) for t_s in range(20_000)]
    assert counts(before, before[1:]) == (19_999, 0, 1)

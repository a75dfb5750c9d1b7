"""Whatever an alert says: no parent learns more than place and kind, no patrol of a sector
that is not its own, and no clock makes the delay shorter."""

import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from roeh.core.config import SectorSection
from roeh.core.types import Alert, AlertPhase, ClockState, RuleKind, Where
from roeh.desk.republish.audiences import in_range, joint_shares
from roeh.desk.republish.texts import texts_of
from roeh.desk.republish.views import alert_views
from roeh.desk.republish.waiting import Age, Due, Stamp, age_now, due
from roeh.transport.view_messages import KIND_WORDS, PARENT_TIME_STEP_US, parent_text
from tests.desk_views import audience_config, stored_alert

CONFIG = audience_config()
BEARINGS = st.floats(0, 359.999)
#: A mark that is in every field of an alert that takes free text.
MARK = "SECRET"
MARKED = st.text(st.characters(codec="utf-8"), max_size=20).map(lambda text: MARK + text)
WHERES = st.builds(
    Where,
    bearing_deg=BEARINGS,
    bearing_sigma_deg=st.floats(0, 90),
    range_m=st.floats(0, 500),
    range_sigma_m=st.floats(0, 50),
    east_m=st.floats(-500, 500),
    north_m=st.floats(-500, 500),
    latitude_deg=st.none() | st.floats(-90, 90),
    longitude_deg=st.none() | st.floats(-180, 180),
    position_sigma_m=st.floats(0, 50),
)


@st.composite
def alerts(draw):
    plain = stored_alert(
        draw(st.integers(1, 2**53 - 1)),
        rule=draw(MARKED),
        zone=draw(MARKED),
        label=draw(MARKED),
        rule_kind=draw(st.sampled_from(RuleKind)),
        phase=draw(st.sampled_from(AlertPhase)),
        node=draw(st.sampled_from(["pole-7", "pole-8", "pole-9"])),
        priority=draw(st.integers(1, 9)),
        count=draw(st.integers(0, 1000)),
        t_utc_us=draw(st.integers(0, 2**53 - 1)),
        clock=ClockState(draw(st.booleans()), draw(st.integers(0, 10**12))),
        thumbnail=b"picture",
    )
    return msgspec.structs.replace(plain, where=draw(WHERES), checkpoint=MARK)


@given(alert=alerts())
def test_a_parent_learns_place_and_kind_and_nothing_else(alert):
    now = Stamp(alert.t_utc_us, 0, "boot", True)
    for text in texts_of(CONFIG, alert, alert.t_utc_us, now):
        shown_as = {place.name: place.shown_as for place in CONFIG.places}[text.place]
        told = parent_text(
            text_id=text.id,
            place=shown_as,
            kind=RuleKind(text.rule_kind),
            t_utc_us=text.t_alert_utc_us,
            expires_utc_us=text.t_alert_utc_us + 900 * 10**6,
        )
        payload = msgspec.json.decode(msgspec.json.encode(told))
        words = KIND_WORDS[alert.rule_kind]
        # The only words and the only field names that there are.
        assert payload.pop("schema") == "roeh/view-text/1"
        assert payload.pop("place") == shown_as
        assert payload.pop("kind") == {"he": words.he, "en": words.en}
        assert re.fullmatch("[0-9a-f]{32}", payload.pop("id"))
        assert payload.pop("t_utc_us") % PARENT_TIME_STEP_US == 0
        assert payload.pop("expires_utc_us") % PARENT_TIME_STEP_US == 0
        assert payload == {}
        whole = msgspec.json.encode(told).decode()
        for hidden in (MARK, alert.id, alert.raised_id, alert.node, alert.site, alert.boot_id):
            assert hidden not in whole


@given(alert=alerts(), other=st.integers(0, 10**6))
def test_two_texts_of_one_moment_have_nothing_in_common_but_their_words(alert, other):
    now = Stamp(alert.t_utc_us, other, "boot", True)
    first = {text.id for text in texts_of(CONFIG, alert, alert.t_utc_us, now)}
    second = {text.id for text in texts_of(CONFIG, alert, alert.t_utc_us, now)}
    assert not first & second


@given(alert=alerts(), earlier=st.lists(BEARINGS, max_size=3))
def test_a_patrol_learns_of_its_sectors_alone(alert, earlier):
    sectors = {sector.name: sector for sector in CONFIG.sectors}
    for share in joint_shares(CONFIG, alert, earlier):
        sector = sectors[share.sector]
        assert f"{alert.site}/{alert.node}" in sector.poles
        seen = [alert.where.bearing_deg] if share.in_sector else earlier
        assert any(in_range(sector, bearing) for bearing in seen)
    for message in alert_views(CONFIG, alert, tuple(earlier)):
        _, _, _, audience, name, *_ = message.topic.split("/")
        if audience == "control":
            assert msgspec.json.decode(message.payload, type=Alert) == alert
            continue
        body = msgspec.json.decode(message.payload)
        if not in_range(sectors[name], alert.where.bearing_deg):
            assert body["where"] is None
            assert body["thumbnail_sha256"] is None
        # A patrol is not told what only evidence needs.
        assert not {"evidence", "model_sha256", "checkpoint", "track_ids", "boot_id"} & set(body)


@given(first=BEARINGS, width=st.floats(0.1, 359.0), inside=st.floats(0.01, 0.99))
def test_a_sector_runs_clockwise_also_over_north(first, width, inside):
    last = (first + width) % 360
    sector = SectorSection(name="s", poles=("a/b",), bearing_from_deg=first, bearing_to_deg=last)
    assert in_range(sector, (first + inside * width) % 360)
    assert not in_range(sector, (first + width + inside * (360 - width)) % 360)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 400 * 10**6),  # true time that passes
        st.integers(-(10**10), 10**10),  # a step of UTC
        st.sampled_from(["on", "reboot"]),
        st.booleans(),  # whether the clock is right afterwards, and says so
    ),
    max_size=6,
)


@given(steps=STEPS, delay_us=st.integers(60 * 10**6, 600 * 10**6))
def test_no_clock_and_no_restart_makes_the_delay_shorter(steps, delay_us):
    """A clock that says that it is right is right; every other may say anything."""
    t_true_us = 1_700_000_000_000_000
    then = Stamp(t_true_us, 0, "0", True)
    passed_us, offset_us, t_mono_us, boot, synchronised = 0, 0, 0, 0, True
    for passes_us, step_us, event, is_right in steps:
        passed_us += passes_us
        t_mono_us += passes_us
        if event == "reboot":
            boot, t_mono_us, synchronised = boot + 1, 0, is_right
        offset_us = 0 if event == "reboot" and is_right else offset_us + step_us
        synchronised = synchronised and offset_us == 0
        now = Stamp(max(0, t_true_us + passed_us + offset_us), t_mono_us, str(boot), synchronised)
        age = age_now(Age(0, 0), then, now)
        if due(age, delay_us=delay_us, expire_us=10**18) is Due.TELL:
            assert passed_us >= delay_us

"""Bytes of the network as coded pictures: whatever comes, nothing but damage is told."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from roeh.bitstream.nal import split_length_prefixed
from roeh.capture.gops import GopBuilder
from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.gop import Discontinuity, Gop
from roeh.core.ids import ClockIds
from roeh.core.types import Size
from roeh.media.compressed import CompressedFormat, CompressedPacket
from roeh.sources.coded import CodedStream
from tests.gops import encoded

CAPTURE_ID = ClockIds(SimulatedClock()).new()
stamp = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))


class Grouping:
    """Groups what is told, as capture does."""

    def __init__(self):
        self.builder = GopBuilder("gate", CAPTURE_ID)
        self.gops = []

    def picture(self, picture):
        assert list(split_length_prefixed(picture.nal_units))
        self.gops.append(self.builder.add(picture))

    def damaged(self):
        self.gops.append(self.builder.damaged())

    def ended(self, reason):
        del reason

    def begins(self, codec, *, is_coded):
        del codec, is_coded

    def finished(self):
        self.gops.append(self.builder.end(Discontinuity.DAMAGED))
        return [gop for gop in self.gops if gop is not None]


@given(st.data(), st.sampled_from(["h264", "h265"]))
def test_any_bytes_and_stamps_give_groups_that_evidence_takes(data, codec):
    """Real pictures among invented ones, some of them bent."""
    config, groups = encoded(codec)
    real = [unit.nal_units for group in groups for unit in group]
    sets = b"".join(b"\0\0\0\1" + nal for nal in config.parameter_sets)
    clock = SimulatedClock(t_mono_ns=NS_PER_S)
    grouping = Grouping()
    stream = CodedStream(grouping)
    name = {"h264": "h264", "h265": "hevc"}[codec]
    extradata = data.draw(st.one_of(st.just(sets), st.binary(max_size=40)))
    stream.begin(CompressedFormat(name, extradata, Size(160, 96)), None)
    for _ in range(data.draw(st.integers(1, 12))):
        content = data.draw(
            st.one_of(
                st.sampled_from(real).map(_annex_b),
                st.binary(max_size=60),
                st.binary(max_size=30).map(lambda junk: b"\0\0\1" + junk),
            )
        )
        packet = CompressedPacket(
            content=content,
            dts=data.draw(stamp),
            pts=data.draw(stamp),
            is_damaged=data.draw(st.booleans()),
            extradata=data.draw(st.one_of(st.none(), st.binary(max_size=20))),
        )
        side_px = data.draw(st.sampled_from([0, 160, 20000]))
        stream.take(packet, Size(160, side_px), clock.read())
        clock.advance(0.04)
    for gop in grouping.finished():
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(gop), type=Gop) == gop
        assert gop.units[0].is_key


def _annex_b(nal_units):
    return b"".join(b"\0\0\1" + nal for nal in split_length_prefixed(nal_units))

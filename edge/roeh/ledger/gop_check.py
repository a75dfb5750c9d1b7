"""What a group of pictures has to be before anything is stored of it."""

from __future__ import annotations

import itertools

from roeh.bitstream.malformed import Malformed
from roeh.bitstream.nal import split_length_prefixed
from roeh.core.errors import MessageRefused
from roeh.core.gop import MAX_GOP_BYTES, Gop


def check_gop(gop: Gop) -> None:
    """Refuse at the door what no segment could hold or no player could show.

    Raises:
        MessageRefused: it is not a group of pictures.
    """
    fault = _fault(gop)
    if fault is not None:
        raise MessageRefused(
            what=f"not a group of pictures: {fault}",
            which=f"{gop.camera_id[:40]}, group {gop.seq}",
            remedy="send the access units of one key picture and those that follow it",
        )


def _fault(gop: Gop) -> str | None:
    checks = (
        (gop.units[0].is_key, "it does not begin with a key picture"),
        (gop.codec_config.parameter_sets, "there are no parameter sets"),
        (gop.size_bytes <= MAX_GOP_BYTES, f"it has {gop.size_bytes} bytes"),
        (
            all(later.dts > earlier.dts for earlier, later in itertools.pairwise(gop.units)),
            "decoding times do not grow",
        ),
        (gop.t_end_mono_us >= gop.t_first_mono_us, "it ends before it begins"),
    )
    for is_right, fault in checks:
        if not is_right:
            return fault
    return _broken_nal_units(gop)


def _broken_nal_units(gop: Gop) -> str | None:
    try:
        for unit in gop.units:
            for _ in split_length_prefixed(unit.nal_units):
                pass
    except Malformed as error:
        return error.what
    return None

"""A signed stream as a pole stores it, for tests: groups, segments and their key."""

from __future__ import annotations

import functools

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from roeh.bitstream.media_signing import ChainState, next_state, sei_for, with_seis, without
from roeh.bitstream.signing_sei import Vendor
from roeh.core.gop import TICKS_PER_S
from tests.encoded_video import encoded, end_dts, in_gops

VENDOR = Vendor("0.1", "pole-7", "Roeh")
CHAIN_PEM = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
#: When the first picture was taken.
T_US = 1_800_000_000_000_000


@functools.cache
def signing_key():
    """The key of the pole."""
    return ec.generate_private_key(ec.SECP256R1())


def signed_groups(gops: int, late: frozenset[int] = frozenset(), b_frames: int = 0):
    """(configuration, groups): each carries the signatures that are due at its start.

    Args:
        gops: how many.
        late: numbers from 0 of the groups before which the signer was not ready.
        b_frames: in a row.
    """
    config, units = encoded("h264", b_frames=b_frames, pictures=10 * gops)
    state = ChainState()
    stored = []
    for number, group in enumerate(in_gops(units)):
        due = () if number in late else state.pending
        seis = [signed(gop) for gop in due]
        stored.append((with_seis(group[0], seis), *group[1:]))
        state = next_state(without(state, due), group, t_us(group[0].dts), t_us(end_dts(group)))
    return config, stored


def signed(pending):
    """The SEI of a group."""
    ecdsa = ec.ECDSA(hashes.SHA256())
    return sei_for(
        pending,
        vendor=VENDOR,
        chain_pem=CHAIN_PEM,
        sign=lambda message: signing_key().sign(message, ecdsa),
    )


def t_us(ticks: int) -> int:
    """The time of a picture."""
    return T_US + ticks * 1_000_000 // TICKS_PER_S

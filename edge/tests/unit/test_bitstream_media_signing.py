"""The signature in the stream is the one that the reference implementation accepted."""

import dataclasses
import hashlib
import itertools
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from roeh.bitstream.malformed import Malformed
from roeh.bitstream.media_signing import (
    MAX_LISTED_HASHES,
    MAX_PENDING,
    ChainState,
    gop_hash,
    is_media_signing_sei,
    next_state,
    parse_sei,
    sei_for,
    signed_bytes,
    slice_hashes,
    with_seis,
    without,
    without_seis,
)
from roeh.bitstream.mp4_read import read_video
from roeh.bitstream.nal import is_slice, join_length_prefixed, split_length_prefixed
from roeh.bitstream.signing_sei import SHA256_OID, Vendor
from roeh.core.errors import EvidenceRefused
from roeh.core.gop import AccessUnit
from tests.encoded_video import encoded, in_gops

VECTORS = Path(__file__).parents[1] / "vectors" / "onvif_media_signing"
ECDSA = ec.ECDSA(hashes.SHA256())
VENDOR = Vendor("0.1", "pole-7", "Roeh")
CHAIN = b"-----BEGIN CERTIFICATE-----\n" + b"A" * 900 + b"\n-----END CERTIFICATE-----\n"
T_US = 1_800_000_000_000_000
GOP_US = 1_000_000


@dataclasses.dataclass(frozen=True)
class Vector:
    """A stream of the vectors: its GOPs, and the SEI at the start of each but the first."""

    groups: list
    seis: list


@pytest.fixture(scope="module")
def valid():
    units = [p.unit for p in read_video((VECTORS / "valid.mp4").read_bytes()).pictures]
    groups = in_gops(units)
    seis = [
        bytes(nal)
        for group in groups
        for nal in split_length_prefixed(group[0].nal_units)
        if is_media_signing_sei(nal)
    ]
    assert len(seis) == len(groups) - 1
    return Vector(groups, seis)


@pytest.fixture(scope="module")
def key():
    return ec.generate_private_key(ec.SECP256R1())


def chained(groups, state=None):
    state = state or ChainState()
    for number, group in enumerate(groups):
        t_first_us = T_US + number * GOP_US
        state = next_state(state, group, t_first_us, t_first_us + GOP_US)
    return state


def signed_with(key, pending, chain_pem=CHAIN):
    return sei_for(
        pending,
        vendor=VENDOR,
        chain_pem=chain_pem,
        sign=lambda message: key.sign(message, ECDSA),
    )


def verify(key, sei):
    signed = parse_sei(sei)
    key.public_key().verify(signed.signature, signed.signed_bytes, ECDSA)
    return signed


def test_the_vectors_signatures_hold_with_the_leaf_they_bring(valid):
    for counter, sei in enumerate(valid.seis, 1):
        signed = parse_sei(sei)
        leaf = x509.load_pem_x509_certificates(signed.chain_pem)[0]
        leaf.public_key().verify(signed.signature, signed_bytes(sei), ECDSA)
        assert signed.counter == counter
        assert signed.hash_oid == SHA256_OID
        assert signed.is_hash_list_sound


def test_our_hashes_of_the_vectors_pictures_are_those_that_were_signed(valid):
    pending = chained(valid.groups).pending
    for gop, sei in zip(pending, valid.seis, strict=False):
        signed = parse_sei(sei)
        assert signed.counter == gop.counter
        assert signed.linked_hash == gop.linked_hash
        assert b"".join(signed.hash_list) == gop.hash_list
        assert signed.gop_hash == gop_hash(signed.hash_list)


def test_given_the_vectors_signature_our_sei_is_the_vectors_byte_for_byte(valid):
    for gop, sei in zip(chained(valid.groups).pending, valid.seis, strict=False):
        signed = parse_sei(sei)
        timed = msgspec.structs.replace(
            gop, t_first_utc_us=signed.t_first_utc_us, t_end_utc_us=signed.t_end_utc_us
        )
        asked = []

        def sign(message, asked=asked, signature=signed.signature):
            asked.append(message)
            return signature

        ours = sei_for(timed, vendor=signed.vendor, chain_pem=signed.chain_pem, sign=sign)
        assert ours == sei
        assert asked == [signed.signed_bytes]


@pytest.mark.parametrize("slices", [1, 3])
def test_what_we_sign_is_what_is_parsed_and_its_signature_holds(key, slices):
    _, units = encoded("h264", b_frames=2, slices=slices)
    groups = in_gops(units)
    for number, gop in enumerate(chained(groups).pending):
        signed = verify(key, signed_with(key, gop))
        assert (signed.counter, signed.hash_count) == (number + 1, slices * len(groups[number]))
        assert signed.t_first_utc_us == T_US + number * GOP_US
        assert signed.t_end_utc_us == T_US + (number + 1) * GOP_US
        assert (signed.vendor, signed.chain_pem) == (VENDOR, CHAIN)
        assert b"".join(signed.hash_list) == gop.hash_list
        assert not signed.is_partial


def test_each_gop_is_linked_to_the_anchor_of_the_one_before(key):
    _, units = encoded("h264")
    signed = [parse_sei(signed_with(key, gop)) for gop in chained(in_gops(units)).pending]
    assert signed[0].linked_hash == bytes(32)
    for before, after in itertools.pairwise(signed):
        assert after.linked_hash == before.hash_list[0]


def test_one_flipped_bit_of_what_is_signed_breaks_the_signature(key):
    _, units = encoded("h264")
    gop = chained(in_gops(units)[:1]).pending[0]
    sei = bytearray(signed_with(key, gop))
    at = sei.index(gop.hash_list[:32])
    sei[at] ^= 1
    with pytest.raises(InvalidSignature):
        verify(key, bytes(sei))


@pytest.mark.parametrize("tail", [b"\0\0", b"\0", b"\0\0\0\0", b"\0\0\3", b"\1"])
def test_zeros_before_the_signature_are_signed_without_the_escape_behind_them(key, tail):
    """The signature's field begins with a 3, which two zeros before it have escaped."""
    _, units = encoded("h264")
    gop = chained(in_gops(units)[:1]).pending[0]
    hash_list = gop.hash_list[: -len(tail)] + tail
    sei = signed_with(key, msgspec.structs.replace(gop, hash_list=hash_list))
    signed = verify(key, sei)
    assert b"".join(signed.hash_list) == hash_list
    assert sei.startswith(signed.signed_bytes)


def test_the_sei_is_one_nal_unit_in_which_no_start_code_stands(key):
    _, units = encoded("h264")
    sei = signed_with(key, chained(in_gops(units)).pending[0])
    assert not any(bytes((0, 0, n)) in sei for n in (0, 1, 2))
    assert sei[-1] == 0x80


def test_the_state_survives_being_stored_and_goes_on(key):
    _, units = encoded("h264")
    groups = in_gops(units)
    stored = msgspec.msgpack.encode(chained(groups[:2]))
    state = msgspec.msgpack.decode(stored, type=ChainState)
    assert chained(groups[2:], state).linked_hash == chained(groups).linked_hash
    assert chained(groups[2:], state).counter == 3


def test_what_is_written_is_no_longer_pending():
    _, units = encoded("h264")
    state = chained(in_gops(units))
    first, *rest = state.pending
    assert list(without(state, [first]).pending) == rest
    assert without(state, [first]).counter == state.counter


def test_a_signer_that_stays_away_does_not_let_the_state_grow():
    _, units = encoded("h264")
    group = in_gops(units)[0]
    state = chained([group] * (MAX_PENDING + 5))
    assert [gop.counter for gop in state.pending] == list(range(6, MAX_PENDING + 6))


def test_the_sei_stands_right_before_the_first_slice(key):
    _, units = encoded("h264")
    groups = in_gops(units)
    seis = [signed_with(key, gop) for gop in chained(groups[:2]).pending]
    nals = list(split_length_prefixed(with_seis(groups[2][0], seis).nal_units))
    at = next(i for i, nal in enumerate(nals) if is_slice("h264", nal))
    assert nals[at - 2 : at] == seis
    assert [nal for nal in nals if nal not in seis] == list(
        split_length_prefixed(groups[2][0].nal_units)
    )


def test_signatures_are_taken_out_again_and_nothing_else(key):
    _, units = encoded("h264")
    groups = in_gops(units)
    seis = [signed_with(key, gop) for gop in chained(groups[:2]).pending]
    assert without_seis(with_seis(groups[2][0], seis)) == groups[2][0]
    assert without_seis(groups[2][0]) is groups[2][0]


def test_a_signature_in_a_group_changes_none_of_its_hashes(key):
    _, units = encoded("h264")
    groups = in_gops(units)
    sei = signed_with(key, chained(groups[:1]).pending[0])
    carrying = (with_seis(groups[1][0], [sei]), *groups[1][1:])
    assert chained([carrying]) == chained([groups[1]])


def test_zeros_behind_a_slice_are_not_hashed():
    assert slice_hashes([b"\x65\x88\x80\0\0"]) == [hashlib.sha256(b"\x65\x88\x80").digest()]


def test_a_group_too_long_for_the_list_is_signed_by_its_hash_alone(key):
    slices = [b"\x65\x88\x80"] + [b"\x41\x9a" + n.to_bytes(3, "big") + b"\x80" for n in range(700)]
    group = [AccessUnit(join_length_prefixed([nal]), n, n, n == 0) for n, nal in enumerate(slices)]
    signed = verify(key, signed_with(key, chained([group]).pending[0]))
    assert len(slices) > MAX_LISTED_HASHES
    assert (signed.hash_list, signed.hash_count) == ((), len(slices))
    assert signed.gop_hash == gop_hash(slice_hashes(slices))


def test_a_group_that_does_not_begin_with_an_idr_picture_is_not_signed():
    _, units = encoded("h264")
    groups = in_gops(units)
    for wrong in (groups[0][1:], groups[0] + groups[1]):
        with pytest.raises(EvidenceRefused, match="IDR"):
            chained([wrong])


def test_a_signature_of_another_kind_of_key_is_refused():
    _, units = encoded("h264")
    gop = chained(in_gops(units)).pending[0]
    with pytest.raises(EvidenceRefused, match="P-256"):
        sei_for(gop, vendor=VENDOR, chain_pem=CHAIN, sign=lambda message: bytes(256))


def test_other_nal_units_are_no_signatures():
    config, units = encoded("h264")
    others = [*config.parameter_sets, *split_length_prefixed(units[0].nal_units), b"\x06", b""]
    assert [parse_sei(nal) for nal in others] == [None] * len(others)
    assert not any(is_media_signing_sei(nal) for nal in others)


def test_a_signature_that_is_cut_off_is_malformed_at_every_length(valid):
    sei = valid.seis[0]
    for size in range(40, len(sei) - 1, 7):
        assert is_media_signing_sei(sei[:size])
        with pytest.raises(Malformed):
            parse_sei(sei[:size])

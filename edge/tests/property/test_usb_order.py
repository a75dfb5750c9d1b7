"""Whatever stands on a disk: an order is read as it was written, anything else is refused."""

import contextlib
import struct
import subprocess
import uuid
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roeh.core.errors import ExportFailed
from roeh.usb.order import (
    FIRST_PARTITION_BYTES,
    MAX_ORDER_BYTES,
    Order,
    decode_order,
    encode_order,
)
from roeh.usb.partitions import TABLE_BYTES, Partition, first_partition
from tests.apt import require_packages
from tests.usb_disks import MIB, partition_table

DISK_BYTES = 64 * MIB
ORDERS = st.builds(
    Order,
    request_p7m=st.binary(min_size=1, max_size=300),
    approval_p7m=st.binary(min_size=1, max_size=300),
    trust_list_p7m=st.binary(max_size=300),
    trust_list_version=st.integers(0, 2**53 - 1),
)


@given(ORDERS, st.binary(max_size=500))
def test_an_order_is_read_as_it_was_written_whatever_stands_behind_it(order, behind):
    assert decode_order(encode_order(order) + behind) == order


@given(ORDERS, st.data())
def test_an_order_that_was_cut_or_changed_is_never_taken_for_one(order, data):
    encoded = encode_order(order)
    size = data.draw(st.integers(0, len(encoded) - 1))
    place = data.draw(st.integers(0, len(encoded) - 1))
    changed = bytearray(encoded)
    changed[place] ^= data.draw(st.integers(1, 255))
    for content in (encoded[:size], bytes(changed)):
        with contextlib.suppress(ExportFailed):
            read = decode_order(content)
            # Its version of the trust list is a hint, which evidence does not rest on.
            assert read is None or read == Order(
                order.request_p7m,
                order.approval_p7m,
                order.trust_list_p7m,
                read.trust_list_version,
            )


@given(st.binary(max_size=2000), st.booleans())
def test_anything_is_read_without_an_accident(content, has_magic):
    with contextlib.suppress(ExportFailed):
        decode_order((b"ROEH-USB-ORDER\r\n" if has_magic else b"") + content)


@given(st.binary(min_size=64, max_size=64), st.binary(max_size=4096), st.sampled_from([512, 4096]))
def test_any_table_is_refused_or_names_a_partition_within_the_disk(entries, behind, sector_bytes):
    head = (bytes(446) + entries + b"\x55\xaa" + behind).ljust(TABLE_BYTES, b"\0")
    with contextlib.suppress(ExportFailed):
        found = first_partition(head, sector_bytes, DISK_BYTES)
        assert found.start_bytes >= FIRST_PARTITION_BYTES
        assert 0 < found.start_bytes + found.size_bytes <= DISK_BYTES


@given(st.binary(min_size=92, max_size=92), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_any_gpt_is_refused_or_names_a_partition_within_the_disk(noise, first, last):
    entry = struct.pack("<16s16sQQ", uuid.uuid4().bytes, b"", first, last).ljust(128, b"\0")
    header = bytearray(
        struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, 1, 0, 34, 0, b"", 2, 1,
                    128, zlib.crc32(entry))
    )  # fmt: skip
    struct.pack_into("<I", header, 16, zlib.crc32(header))
    for table in (bytes(header), b"EFI PART" + noise[8:]):
        head = partition_table((0xEE, 512, DISK_BYTES - 512)) + table.ljust(512, b"\0") + entry
        with contextlib.suppress(ExportFailed):
            found = first_partition(head.ljust(TABLE_BYTES, b"\0"), 512, DISK_BYTES)
            assert found == Partition(first * 512, (last - first + 1) * 512)
            assert found.start_bytes + found.size_bytes <= DISK_BYTES


@pytest.mark.apt("fdisk")
@pytest.mark.parametrize("label", ["dos", "gpt"])
def test_the_first_partition_is_where_sfdisk_put_it(tmp_path, label):
    require_packages("fdisk")
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    # Not in the order in which they lie on the disk.
    script = f"label: {label}\nstart=65536, size=2048\nstart=8192, size=40960\n"
    subprocess.run(["sfdisk", "-q", image], input=script, text=True, check=True)
    head = image.read_bytes()[:TABLE_BYTES]
    assert first_partition(head, 512, DISK_BYTES) == Partition(8192 * 512, 40960 * 512)
    early = f"label: {label}\nstart=2048, size=2048\n"
    subprocess.run(["sfdisk", "-q", image], input=early, text=True, check=True)
    with pytest.raises(ExportFailed, match="begins at byte"):
        first_partition(image.read_bytes()[:TABLE_BYTES], 512, DISK_BYTES)


def test_the_largest_order_ends_before_any_partition():
    assert MAX_ORDER_BYTES + MIB < FIRST_PARTITION_BYTES

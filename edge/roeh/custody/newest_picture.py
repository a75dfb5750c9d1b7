"""The newest picture that a running node recorded of a camera, without asking the camera.

The node has its cameras, and nobody takes one away from it: what is on the disk is a second or
two old. Who shows such a picture to a person puts that on record first.
"""

from __future__ import annotations

import numpy as np

from roeh.bitstream.malformed import Malformed
from roeh.bitstream.mp4_read import read_fragments, read_init
from roeh.core.clock import NS_PER_US, Clock
from roeh.core.config import NodeConfig, SensorSection
from roeh.core.custody import SegmentRow, SegmentsPage, SegmentsRequest
from roeh.core.errors import EvidenceRefused
from roeh.core.paths import segments_dir
from roeh.core.peers import Verb
from roeh.custody.link import EvidenceLink
from roeh.media.decode import DecodedPicture, PictureFormat
from roeh.media.frames import UInt8Image
from roeh.media.gop_decode import GopDecoder
from roeh.media.masks import blackened, mask_of
from roeh.sources.one_picture import at_lens_size

_US_PER_S = 1_000_000
#: How far back is looked for a segment that is still being written.
_LOOKED_BACK_US = 1800 * _US_PER_S
_MAX_FRAGMENT_BYTES = 64 << 20


def newest_picture(
    link: EvidenceLink, config: NodeConfig, section: SensorSection, clock: Clock
) -> UInt8Image:
    """The last picture of the newest whole fragment, at the size of the lens, masks black.

    Raises:
        EvidenceRefused: nothing was recorded lately, or it cannot be read.
        LensError: it has another shape than the lens is described for.
        RoehError: evidence does not answer.
    """
    row = _newest_segment(link, section.name, clock)
    decoded = _last_picture(_content(config, row), row)
    layout = PictureFormat(decoded.size, "bgr24")
    picture = np.empty(layout.shape(), np.uint8)
    decoded.write_into(picture, layout)
    return blackened(at_lens_size(picture, section), mask_of(section))


def _newest_segment(link: EvidenceLink, camera_id: str, clock: Clock) -> SegmentRow:
    newest: SegmentRow | None = None
    since_utc_us = clock.read().t_utc_ns // NS_PER_US - _LOOKED_BACK_US
    after = -1
    while True:
        request = SegmentsRequest(after=after, which="present", since_utc_us=since_utc_us)
        rows = link.call(Verb.SEGMENTS_PAGE, request, SegmentsPage).segments
        for row in rows:
            is_newer = newest is None or row.row > newest.row
            if row.camera_id == camera_id and row.fragments and is_newer:
                newest = row
        if not rows or rows[-1].row <= after:
            break
        after = rows[-1].row
    if newest is None:
        raise EvidenceRefused(
            what="nothing was recorded in the last half hour",
            which=f"sensor {camera_id}",
            remedy="see what the doctor says of the camera and of the disk",
        )
    return newest


def _content(config: NodeConfig, row: SegmentRow) -> bytes:
    """The file's header and its last fragment."""
    first, last = row.fragments[0], row.fragments[-1]
    if first.offset_bytes + last.size_bytes > _MAX_FRAGMENT_BYTES:
        raise _unreadable(row, "larger than any fragment of ours")
    try:
        with (segments_dir(config) / row.path).open("rb") as file:
            header = file.read(first.offset_bytes)
            file.seek(last.offset_bytes)
            return header + file.read(last.size_bytes)
    except OSError as error:
        raise _unreadable(row, error.strerror or str(error)) from None


def _last_picture(content: bytes, row: SegmentRow) -> DecodedPicture:
    last: DecodedPicture | None = None
    try:
        decoder = GopDecoder(read_init(content))
        for fragment in read_fragments(content):
            for decoded in decoder.pictures(fragment.units, 0):
                last = decoded
        for decoded in decoder.flush():
            last = decoded
    except Malformed as malformed:
        raise _unreadable(row, str(malformed)) from None
    if last is None:
        raise _unreadable(row, "no picture in its last fragment")
    return last


def _unreadable(row: SegmentRow, why: str) -> EvidenceRefused:
    return EvidenceRefused(
        what=f"the newest recording cannot be shown ({why})",
        which=row.path,
        remedy="look again in some seconds; then roeh evidence check",
    )

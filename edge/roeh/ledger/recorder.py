"""Recording: groups of pictures made durable, one fragment each, and acknowledged then.

Order (edge/design/evidence-format.md, Order of durable steps): bytes on the disk, one
transaction for everything that is said of them, then the answer. The next signature is
made beside it. Files of several cameras are synced at the same time, and no sync holds
the database.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterable

import msgspec

from roeh.bitstream.media_signing import ChainState, next_state, with_seis, without, without_seis
from roeh.bitstream.mp4_write import fragment, init_segment
from roeh.core.clock import NS_PER_S, NS_PER_US, Clock
from roeh.core.errors import EvidenceRefused, MessageRefused, RoehError, StorageFailed, StorageFull
from roeh.core.gop import Gop, StreamEnd
from roeh.core.log import log_error, log_for
from roeh.core.peers import CameraHealth, GopStored
from roeh.ledger import segment_rows
from roeh.ledger.camera_state import CameraState, OpenSegment
from roeh.ledger.continuity import (
    STREAM_ENDS,
    CameraEnd,
    EndReason,
    begun_by,
    continued_by,
    end_dts,
    gap_reason,
    is_gap,
    why_not_into,
)
from roeh.ledger.database import NodeDatabase
from roeh.ledger.gop_check import check_gop
from roeh.ledger.log import Log
from roeh.ledger.records import FaultRecord, GapRecord, RecordBody, TamperRecord
from roeh.ledger.segment_rows import CameraChain
from roeh.ledger.segments import AppendedBytes, SegmentFiles, segment_path
from roeh.ledger.stream_signatures import SignedSei, StreamSignatures

#: A camera that is silent for longer has its segment closed.
SILENT_S = 30.0
#: What a full disk is asked for beside the group itself: its rows, and the log's.
_ROOM_BYTES = 1 << 20

_log = log_for("evidence")


class Recorder:
    """Stores groups of pictures of several cameras. Safe to call from several threads.

    Args:
        cameras: the only ones that are recorded.
        signatures: of the streams; the recorder closes it.
        age_us: how long the node has run, ever.
        make_room: removes what may go until so many bytes fit; asked for each segment.
        on_closed: told when a segment has closed.
        on_lost: told when the directory is not the one that was opened any more.
    """

    def __init__(
        self,
        database: NodeDatabase,
        log: Log,
        files: SegmentFiles,
        clock: Clock,
        *,
        cameras: Iterable[str],
        segment_s: float,
        signatures: StreamSignatures,
        age_us: Callable[[], int],
        make_room: Callable[[int], object],
        on_closed: Callable[[], None],
        on_lost: Callable[[RoehError], None],
    ) -> None:
        self._database = database
        self._log = log
        self._files = files
        self._clock = clock
        self._segment_s = segment_s
        self._signatures = signatures
        self._age_us = age_us
        self._make_room = make_room
        self._on_closed = on_closed
        self._on_lost = on_lost
        with database.reading() as connection:
            self._cameras = {
                camera_id: CameraState(camera_id, segment_rows.read_chain(connection, camera_id))
                for camera_id in cameras
            }
        for camera in self._cameras.values():
            if camera.chain is not None:
                signatures.follow(camera.camera_id, camera.chain.signing.pending)

    def store(self, gop: Gop) -> GopStored:
        """Make a group durable; the same one again is found, not stored again.

        Raises:
            MessageRefused: no such camera, not a group of pictures, or older than what
                is stored.
            EvidenceRefused: pictures that no segment can hold.
            StorageFull, StorageFailed: nothing of it was stored.
        """
        check_gop(gop)
        camera = self._camera(gop.camera_id)
        with camera.lock:
            known = self._known(camera, gop)
            if known is not None:
                return known
            try:
                stored = self._store_or_make_room(camera, gop)
            except StorageFailed as error:
                camera.refused = EndReason.SYNC_FAILED
                if not self._files.is_in_place():
                    self._on_lost(error)
                raise
            camera.t_stored_mono_ns = self._clock.mono_ns()
            return stored

    def end_stream(self, camera_id: str, reason: StreamEnd) -> None:
        """No more pictures come for now: the camera's segment closes.

        Raises:
            MessageRefused: no such camera.
            StorageFull, StorageFailed: it is not closed.
        """
        camera = self._camera(camera_id)
        with camera.lock:
            self._close(camera, STREAM_ENDS[reason])

    def close_silent(self) -> None:
        """Close the segments of cameras that said nothing for long.

        Raises:
            StorageFull, StorageFailed: one is not closed.
        """
        for camera in self._cameras.values():
            with camera.lock:
                if camera.t_stored_mono_ns is None:
                    continue
                silent_ns = self._clock.mono_ns() - camera.t_stored_mono_ns
                if silent_ns > SILENT_S * NS_PER_S:
                    self._close(camera, EndReason.SOURCE_STALLED)

    def health(self) -> tuple[CameraHealth, ...]:
        """How each camera's recording is."""
        found = []
        for camera in self._cameras.values():
            stored_ns = camera.t_stored_mono_ns
            age_ns = None if stored_ns is None else self._clock.mono_ns() - stored_ns
            found.append(
                CameraHealth(camera.camera_id, None if age_ns is None else age_ns // NS_PER_US)
            )
        return tuple(found)

    def alarms(self) -> tuple[str, ...]:
        """What is wrong with the recording now, a line each."""
        found = [
            f"{camera.camera_id} is not recorded: {camera.refused.value}"
            for camera in self._cameras.values()
            if camera.refused is not None
        ]
        found += [
            f"{camera.camera_id} is recorded without stream signature: {camera.unsigned}"
            for camera in self._cameras.values()
            if camera.unsigned is not None
        ]
        late = self._signatures.alarm()
        return (*found, late) if late is not None else tuple(found)

    def close(self) -> None:
        """Close every segment: evidence stops.

        Raises:
            StorageFull, StorageFailed: one is not closed; the next start does it.
        """
        self._signatures.close()
        for camera in self._cameras.values():
            with camera.lock:
                self._close(camera, EndReason.STOPPED)
                camera.is_over = True

    def _camera(self, camera_id: str) -> CameraState:
        camera = self._cameras.get(camera_id)
        if camera is None:
            raise MessageRefused(
                what="no such camera",
                which=camera_id[:40],
                remedy="send groups of the sensors in node.toml",
            )
        return camera

    def _known(self, camera: CameraState, gop: Gop) -> GopStored | None:
        """Where this very group is stored already."""
        if camera.is_over:
            raise StorageFailed(
                what="evidence is stopping", which=camera.camera_id, remedy="send it again later"
            )
        end = camera.chain.end if camera.chain is not None else None
        if end is None or end.capture_id != gop.capture_id or gop.seq > end.capture_seq:
            return None
        with self._database.reading() as connection:
            found = segment_rows.find_fragment(connection, gop.camera_id, gop.capture_id, gop.seq)
        if found is None:
            raise MessageRefused(
                what=f"group {gop.seq} comes after group {end.capture_seq}",
                which=gop.camera_id,
                remedy="send groups in the order in which they were taken",
            )
        return GopStored(segment=found[0], fragment=found[1])

    def _store_or_make_room(self, camera: CameraState, gop: Gop) -> GopStored:
        try:
            return self._store(camera, gop)
        except StorageFull:
            camera.refused = EndReason.STORAGE_FULL
        self._make_room(gop.size_bytes + _ROOM_BYTES)
        return self._store(camera, gop)

    def _store(self, camera: CameraState, gop: Gop) -> GopStored:
        """The durable steps of one group."""
        gop = _unsigned_by_camera(gop)
        if camera.open is not None:
            reason = camera.open.given_up or why_not_into(camera.open.so_far, gop, self._segment_s)
            if reason is not None:
                self._close(camera, reason)
        is_signed = gop.codec_config.codec == "h264"
        seis = self._signatures.ready(camera.camera_id) if is_signed else ()
        signing = self._signing_with(camera, gop, seis)
        units = (with_seis(gop.units[0], [sei.nal for sei in seis]), *gop.units[1:])
        segment = camera.open
        so_far = begun_by(gop) if segment is None else segment.so_far
        content = fragment(
            1 if segment is None else segment.fragments + 1,
            gop.units[0].dts - so_far.first_dts,
            units,
            end_dts(gop),
        )
        if segment is None:
            segment = self._begin(camera, gop)
        try:
            appended = segment.file.append(content)
        except (StorageFull, StorageFailed) as error:
            self._give_up(camera, segment, error)
            raise
        stored = self._commit(camera, segment, gop, appended, signing)
        self._signatures.follow(camera.camera_id, signing.pending)
        return stored

    def _signing_with(
        self, camera: CameraState, gop: Gop, seis: tuple[SignedSei, ...]
    ) -> ChainState:
        """The state of the stream's signatures with this group, which carries these SEI."""
        state = camera.chain.signing if camera.chain is not None else ChainState()
        state = without(state, [sei.gop for sei in seis])
        camera.unsigned = None
        if gop.codec_config.codec != "h264":
            return state
        try:
            return next_state(
                state,
                gop.units,
                gop.t_utc_us,
                gop.t_utc_us + gop.t_end_mono_us - gop.t_first_mono_us,
            )
        except EvidenceRefused as error:
            # It is recorded all the same, and the ledger covers it.
            camera.unsigned = error.what
            return state

    def _begin(self, camera: CameraState, gop: Gop) -> OpenSegment:
        """A new file; it has no row yet."""
        init = init_segment(gop.codec_config)
        # The ring keeps to its bound here; a disk that is full all the same says so below.
        with contextlib.suppress(StorageFull):
            self._make_room(max(camera.last_size_bytes, gop.size_bytes))
        number = camera.next_number
        while True:
            try:
                file = self._files.create(camera.camera_id, number, init)
                break
            except FileExistsError:
                if number == camera.left_behind:
                    # Ours, and nothing of it was acknowledged: gone first, or no recording.
                    self._files.delete(camera.camera_id, number)
                    camera.left_behind = None
                    continue
                camera.unsaid.append(
                    TamperRecord(
                        what="file_unexpected",
                        where=segment_path(camera.camera_id, number),
                        detail="a file was in the place of a new segment; it is left as it is",
                    )
                )
                number += 1
        camera.next_number = number
        return OpenSegment(file, begun_by(gop))

    def _commit(
        self,
        camera: CameraState,
        segment: OpenSegment,
        gop: Gop,
        appended: AppendedBytes,
        signing: ChainState,
    ) -> GopStored:
        """One transaction for all that is said of a fragment that is on the disk."""
        end = CameraEnd(
            capture_id=gop.capture_id,
            capture_seq=gop.seq,
            boot_id=gop.boot_id,
            t_end_mono_us=gop.t_end_mono_us,
            t_end_utc_us=gop.t_utc_us + gop.t_end_mono_us - gop.t_first_mono_us,
            end_reason=None,
        )
        chain = CameraChain(last_number=segment.file.number, end=end, signing=signing)
        gap = self._gap(camera, gop)
        try:
            with self._database.writing() as connection:
                row = segment.row
                if row is None:
                    row = segment_rows.begin_segment(
                        connection, gop, segment.file.number, segment.init, age_us=self._age_us()
                    )
                counter = signing.counter if _is_signed(camera, gop) else 0
                number = segment_rows.add_fragment(connection, row, gop, appended, counter)
                segment_rows.write_chain(connection, camera.camera_id, chain)
                if gap is not None:
                    segment_rows.add_gap(connection, self._log, gap)
                for body in self._unsaid(camera):
                    self._log.append(connection, body)
        except StorageFailed:
            raise  # what the database holds now is for recovery to find: the file stays
        except BaseException:
            self._take_back(camera, segment)
            raise
        segment.row, segment.fragments = row, number + 1
        segment.so_far = continued_by(segment.so_far, gop)
        camera.open, camera.chain = segment, chain
        camera.next_number = segment.file.number + 1
        camera.refused = None
        camera.unsaid.clear()
        return GopStored(segment=segment.file.number, fragment=number)

    def _gap(self, camera: CameraState, gop: Gop) -> GapRecord | None:
        if camera.chain is None or not is_gap(camera.chain.end, gop):
            return None
        before = camera.chain.end
        return GapRecord(
            camera_id=camera.camera_id,
            from_boot_id=before.boot_id,
            from_mono_us=before.t_end_mono_us,
            from_utc_us=before.t_end_utc_us,
            to_boot_id=gop.boot_id,
            to_mono_us=gop.t_first_mono_us,
            to_utc_us=gop.t_utc_us,
            reason=gap_reason(before, gop, camera.refused).value,
        )

    def _unsaid(self, camera: CameraState) -> list[RecordBody]:
        """What could not be said while nothing could be stored."""
        said: list[RecordBody] = list(camera.unsaid)
        if camera.refused is EndReason.STORAGE_FULL:
            said.append(FaultRecord(what="disk_full", detail=camera.camera_id))
        return said

    def _give_up(self, camera: CameraState, segment: OpenSegment, error: RoehError) -> None:
        """A write or sync failed: the file ends at what was acknowledged, for ever."""
        is_full = isinstance(error, StorageFull)
        segment.given_up = EndReason.STORAGE_FULL if is_full else EndReason.SYNC_FAILED
        if camera.refused is None:  # said once, not for each group
            log_error(_log, error)
        if segment.row is None:
            self._discard(camera, segment)
            return
        if not is_full:
            camera.unsaid.append(FaultRecord(what=_fault(error), detail=str(error)))
        # If it cannot be closed now, it is before the next group, or at the next start.
        with contextlib.suppress(StorageFull, StorageFailed):
            self._close(camera, segment.given_up)

    def _take_back(self, camera: CameraState, segment: OpenSegment) -> None:
        """The row of a fragment that is on the disk could not be stored."""
        if segment.row is None:
            self._discard(camera, segment)
            return
        try:
            segment.file.take_back()
        except StorageFailed as error:
            self._give_up(camera, segment, error)

    def _discard(self, camera: CameraState, segment: OpenSegment) -> None:
        """A file that nothing was acknowledged of; one that stays goes before the next."""
        segment.file.close()
        try:
            self._files.delete(camera.camera_id, segment.file.number)
        except (StorageFull, StorageFailed):
            camera.left_behind = segment.file.number

    def _close(self, camera: CameraState, reason: EndReason) -> None:
        """The camera's segment, if one is open, gets its record and is closed."""
        segment = camera.open
        if segment is None or segment.row is None or camera.chain is None:
            return
        reason = segment.given_up or reason
        end = msgspec.structs.replace(camera.chain.end, end_reason=reason)
        chain = msgspec.structs.replace(camera.chain, end=end)
        with self._database.writing() as connection:
            segment_rows.write_chain(connection, camera.camera_id, chain)
            if segment.file.ends_acknowledged:
                segment_rows.close_segment(
                    connection, self._log, segment.row, segment.file.sha256, reason
                )
            else:  # the next start cuts it off, and closes it for this reason
                segment_rows.leave_open(connection, segment.row, reason)
            for body in camera.unsaid:
                self._log.append(connection, body)
        camera.unsaid.clear()
        camera.open, camera.chain = None, chain
        camera.last_size_bytes = segment.file.size_bytes
        segment.file.close()
        self._on_closed()


def _unsigned_by_camera(gop: Gop) -> Gop:
    """The group without signatures that a camera put into its own stream.

    It counts groups that never came here too, and for whoever validates a file two chains in it
    contradict each other; what is kept is signed here.
    """
    if gop.codec_config.codec != "h264":
        return gop
    units = tuple(without_seis(unit) for unit in gop.units)
    if all(kept is sent for kept, sent in zip(units, gop.units, strict=True)):
        return gop
    return msgspec.structs.replace(gop, units=units)


def _is_signed(camera: CameraState, gop: Gop) -> bool:
    return camera.unsigned is None and gop.codec_config.codec == "h264"


def _fault(error: RoehError) -> str:
    """The word of a fault record for what the file system refused."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno == errno.EROFS:
        return "read_only"
    return "sync_failed"

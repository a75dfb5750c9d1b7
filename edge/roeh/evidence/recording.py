"""Recording in the evidence process: the start, what is done beside it, and the end.

Two threads: one signs checkpoints when a segment has closed (a key's home may be slow), the
other lets age count, prunes, and closes the segments of silent cameras.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

import roeh
from roeh.core.config.write import config_as_toml
from roeh.core.errors import RoehError, StorageFailed, StorageFull
from roeh.core.gop import Gop
from roeh.core.log import log_error, log_for
from roeh.core.peers import CameraHealth, Done, EndStream, GopStored
from roeh.evidence.parts import EvidenceParts
from roeh.ledger.recorder import Recorder
from roeh.ledger.recovery import Recovery, StartFacts, note_clean_end
from roeh.ledger.segment_rows import count_bytes
from roeh.ledger.stream_signatures import StreamSignatures
from roeh.ledger.wear import IndexWear

#: A checkpoint is signed at least this often, if anything was recorded since.
_CHECKPOINT_S = 60.0
#: How often age is counted and old segments are looked for.
_SWEEP_S = 10.0
_CLOSE_TIMEOUT_S = 2.0

_log = log_for("evidence")


def recover(
    parts: EvidenceParts,
    *,
    on_closed: Callable[[], None],
    on_lost: Callable[[RoehError], None],
) -> Recorder:
    """Bring files, index and ledger together; what can be recorded with then.

    Raises:
        StorageFull: no room; call it again when there is.
        StorageFailed: the store cannot be used, or is another node's.
    """
    recovery = Recovery(
        parts.database,
        parts.log,
        parts.mirror,
        parts.files,
        replay_garbage=parts.retention.replay_garbage,
    )
    recovery.run(
        StartFacts(
            version=roeh.__version__,
            config_sha256=hashlib.sha256(config_as_toml(parts.config).encode()).hexdigest(),
            signers=parts.signers,
        )
    )
    parts.age.tick()
    return Recorder(
        parts.database,
        parts.log,
        parts.files,
        parts.clock,
        cameras=[sensor.name for sensor in parts.config.sensors],
        segment_s=parts.config.evidence.segment_s,
        signatures=StreamSignatures(parts.signers.media, parts.vendor),
        age_us=parts.age.now_us,
        make_room=parts.make_room,
        on_closed=on_closed,
        on_lost=on_lost,
    )


class Recording:
    """From a start that brings everything together to the last checkpoint.

    Args:
        on_lost: told when recording cannot go on without a new start.
        notices: what a person should know of this start, a line each.
    """

    def __init__(
        self,
        parts: EvidenceParts,
        *,
        on_lost: Callable[[RoehError], None],
        notices: tuple[str, ...] = (),
    ) -> None:
        self._parts = parts
        self._on_lost = on_lost
        self._recorder: Recorder | None = None
        self._stop = threading.Event()
        self._closed_one = threading.Event()
        self._starting = threading.Lock()
        self._lock = threading.Lock()
        self._alarms: dict[str, tuple[str, ...]] = {"rebuild": notices}
        self._mirror_counted = 0
        with parts.database.reading() as connection:
            self._index_wear = IndexWear(connection)
        self._threads = (
            threading.Thread(target=self._sign_checkpoints, name="checkpoints", daemon=True),
            threading.Thread(target=self._sweep, name="sweep", daemon=True),
        )

    def begin(self) -> None:
        """Recover, then record; on a full disk both wait until there is room.

        Raises:
            StorageFailed: the store cannot be used.
        """
        self._try_to_recover()
        # From the first moment on: a clock is most often stepped soon after the boot.
        self._attempt("age", self._count_age)
        for thread in self._threads:
            thread.start()

    def store(self, gop: Gop) -> GopStored:
        """See Recorder.store."""
        return self._ready().store(gop)

    def end_stream(self, request: EndStream) -> Done:
        """See Recorder.end_stream."""
        self._ready().end_stream(request.camera_id, request.reason)
        return Done()

    def make_room(self, needed_bytes: int) -> bool:
        """Delete what may go so that something else finds room; whether there is some now."""
        try:
            return self._parts.make_room(needed_bytes).pruned > 0
        except (StorageFull, StorageFailed):
            return False

    def cameras(self) -> tuple[CameraHealth, ...]:
        """How old the newest fragment of each camera is."""
        return () if self._recorder is None else self._recorder.health()

    def alarms(self) -> tuple[str, ...]:
        """What a person should know, a line each."""
        with self._lock:
            found = [line for lines in self._alarms.values() for line in lines]
        if self._recorder is not None:
            found += self._recorder.alarms()
        return tuple(found)

    def checkpoint(self) -> str | None:
        """The newest signed note that may leave the pole."""
        return self._parts.checkpoints.newest()

    def close(self) -> None:
        """Close segments, say that the end was clean, sign the last checkpoint.

        What cannot be done now is done, and said, by the next start.
        """
        self._stop.set()
        self._closed_one.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_CLOSE_TIMEOUT_S)
        if self._recorder is None:
            return
        try:
            self._recorder.close()
            with self._parts.database.writing() as connection:
                note_clean_end(connection)
            self._parts.checkpoints.renew()
        except RoehError as error:
            log_error(_log, error)

    def _ready(self) -> Recorder:
        with self._starting:
            if self._recorder is None:
                self._try_to_recover()
        if self._recorder is None:
            raise StorageFull(
                what="nothing can be recorded before there is room",
                which=str(self._parts.database.path.parent),
                remedy="free space on that file system",
            )
        return self._recorder

    def _try_to_recover(self) -> None:
        try:
            self._recorder = recover(
                self._parts, on_closed=self._closed_one.set, on_lost=self._on_lost
            )
        except StorageFull as error:
            self._say("start", str(error))
        else:
            self._say("start")

    def _sign_checkpoints(self) -> None:
        while not self._stop.is_set():
            if self._recorder is not None:
                self._attempt("checkpoint", self._renew_checkpoint)
            self._closed_one.wait(_CHECKPOINT_S)
            self._closed_one.clear()

    def _renew_checkpoint(self) -> tuple[str, ...]:
        self._parts.checkpoints.renew()
        written = self._parts.mirror.bytes_written
        if written > self._mirror_counted:
            with self._parts.database.writing() as connection:
                count_bytes(connection, "mirror", written - self._mirror_counted)
                self._index_wear.count(connection)
            self._mirror_counted = written
        return ()

    def _sweep(self) -> None:
        while not self._parts.clock.wait(_SWEEP_S, self._stop):
            if self._recorder is None:
                self._attempt("start", self._recover_again)
                continue
            self._attempt("age", self._count_age)
            self._attempt("retention", lambda: self._parts.retention.sweep().alarms)
            self._attempt("silence", self._close_silent)
            self._attempt("history", self._forget_old)

    def _recover_again(self) -> tuple[str, ...]:
        self._parts.make_room(0)
        with self._starting:
            if self._recorder is None:
                self._try_to_recover()
        return self._alarms.get("start", ())

    def _count_age(self) -> tuple[str, ...]:
        self._parts.age.tick()
        return ()

    def _forget_old(self) -> tuple[str, ...]:
        self._parts.store.forget_old()
        return ()

    def _close_silent(self) -> tuple[str, ...]:
        if self._recorder is not None:
            self._recorder.close_silent()
        return ()

    def _attempt(self, name: str, step: Callable[[], tuple[str, ...]]) -> None:
        """What fails is an alarm until it works again."""
        try:
            self._say(name, *step())
        except RoehError as error:
            self._say(name, str(error))

    def _say(self, name: str, *alarms: str) -> None:
        with self._lock:
            before = self._alarms.get(name, ())
            self._alarms[name] = alarms
        for alarm in alarms:
            if alarm not in before:
                _log.error("%s", alarm)

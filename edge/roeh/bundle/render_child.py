"""One child process from its start to its end: the order in, answers out, never longer than told.

Only the parent decides how long: it waits for the pipes with a deadline, kills the child's
whole group and reaps it, whatever the child does.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Iterator
from typing import IO

import msgspec

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.errors import RenderFailed
from roeh.core.rendering import MAX_ANSWER_BYTES, Answer, Envelope, Failed, Finished, Piece

#: One thread: a second one would only be taken for nothing, and counts as memory.
_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENCV_LOG_LEVEL": "SILENT",
}
_DECODER: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
_READ_BYTES = 256 * 1024
#: What a child is let say on its way down, in bytes.
_LAST_WORDS_BYTES = 300
_REMEDIES = {
    "no_picture": "the segments are damaged there: roeh evidence check tells what and where",
    "malformed": "the segments are damaged there: roeh evidence check tells what and where",
    "no_sandbox": "install libseccomp2 (Debian) on a kernel with seccomp; nothing is decoded"
    " without it",
    "no_memory": "ask for a smaller picture or a shorter span",
}
_OTHER_REMEDY = "the bytes themselves can still be exported; ask for another span"


class RenderChild:
    """A started child; close it in any case.

    Args:
        envelope: what it is for.
        program: the interpreter.
        clock: for its time.
        most_bytes: what it may send.

    Raises:
        RenderFailed: it cannot be started.
    """

    def __init__(self, envelope: Envelope, program: str, clock: Clock, most_bytes: int) -> None:
        self._clock = clock
        self._wall_s = envelope.limits.wall_s
        self._deadline_ns = clock.mono_ns() + self._wall_s * NS_PER_S
        self._most_bytes = most_bytes
        self._order = msgspec.msgpack.encode(envelope)
        inherited = envelope.descriptors
        if envelope.output is not None:
            inherited += (envelope.output,)
        self._words = os.memfd_create("render", os.MFD_CLOEXEC)
        try:
            self._process = subprocess.Popen(
                [program, "-I", "-B", "-m", "roeh.render"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._words,
                close_fds=True,
                pass_fds=inherited,
                cwd="/",
                env=_ENVIRONMENT,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            os.close(self._words)
            raise _failure(f"the child cannot be started ({error.strerror})", "") from None

    def answers(self) -> Iterator[Piece | Finished]:
        """What it says, the last one Finished.

        Raises:
            RenderFailed: it said that it cannot, said nonsense, took too long or was ended.
        """
        self._hand_over()
        received = bytearray()
        sent_bytes = 0
        while True:
            answer = _next_answer(received)
            if answer is None:
                self._receive(received)
                continue
            if isinstance(answer, Failed):
                raise _failure(answer.what, answer.code)
            if isinstance(answer, Piece):
                sent_bytes += len(answer.content)
                if sent_bytes > self._most_bytes:
                    raise _failure(f"the child sent more than {self._most_bytes} bytes", "")
            yield answer
            if isinstance(answer, Finished):
                return

    def close(self) -> None:
        """End it if it is not over, and reap it."""
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if process.returncode is None:
            # Not reaped yet, so the number is still its own.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
        if self._words >= 0:
            os.close(self._words)
            self._words = -1

    def _hand_over(self) -> None:
        pipe = _open_pipe(self._process.stdin)
        os.set_blocking(pipe.fileno(), False)
        rest = memoryview(len(self._order).to_bytes(4, "big") + self._order)
        while rest:
            self._wait_for(pipe, selectors.EVENT_WRITE)
            try:
                rest = rest[os.write(pipe.fileno(), rest) :]
            except BrokenPipeError:
                break  # why it ended is told where its answers are read
        pipe.close()

    def _receive(self, received: bytearray) -> None:
        pipe = _open_pipe(self._process.stdout)
        self._wait_for(pipe, selectors.EVENT_READ)
        read = os.read(pipe.fileno(), _READ_BYTES)
        if not read:
            raise self._ended()
        received += read

    def _wait_for(self, pipe: IO[bytes], event: int) -> None:
        left_ns = self._deadline_ns - self._clock.mono_ns()
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, event)
            if left_ns <= 0 or not selector.select(left_ns / NS_PER_S):
                raise _failure(f"the child was not done within {self._wall_s} s", "")

    def _ended(self) -> RenderFailed:
        """Why there are no more answers."""
        try:
            status = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return _failure("the child closed its output and went on", "")
        if status >= 0:
            size = os.fstat(self._words).st_size
            words = os.pread(self._words, _LAST_WORDS_BYTES, max(0, size - _LAST_WORDS_BYTES))
            last = words.decode(errors="replace").strip()
            return _failure(f"the child ended with status {status} ({last})", "")
        return _failure(f"the child was ended by {_signal_words(-status)}", "")


def _open_pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _next_answer(received: bytearray) -> Answer | None:
    """Taken from the front; None when it is not all there."""
    if len(received) < 4:
        return None
    size = int.from_bytes(received[:4], "big")
    if size > MAX_ANSWER_BYTES:
        raise _failure("the child answered nonsense", "")
    if len(received) < 4 + size:
        return None
    encoded = bytes(received[4 : 4 + size])
    del received[: 4 + size]
    try:
        return _DECODER.decode(encoded)
    except msgspec.MsgspecError:
        raise _failure("the child answered nonsense", "") from None


def _signal_words(number: int) -> str:
    words = {
        signal.SIGXCPU: "its limit on CPU time",
        signal.SIGKILL: "SIGKILL (CPU time, memory of the machine, or somebody)",
        signal.SIGSEGV: "SIGSEGV: the decoder crashed",
        signal.SIGABRT: "SIGABRT: the decoder gave up",
        signal.SIGALRM: "its limit on time",
    }
    try:
        return words.get(signal.Signals(number), signal.Signals(number).name)
    except ValueError:
        return f"signal {number}"


def _failure(what: str, code: str) -> RenderFailed:
    return RenderFailed(
        what="nothing could be rendered", which=what, remedy=_REMEDIES.get(code, _OTHER_REMEDY)
    )

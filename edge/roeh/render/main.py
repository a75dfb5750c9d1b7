"""One child, one order: load everything, give up everything, then look at the segments."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from roeh.core.errors import EXIT_OK, EXIT_UNEXPECTED
from roeh.core.rendering import Envelope, Failed, PreviewOrder, RedactOrder, ReportOrder, StillOrder
from roeh.core.sandbox import SandboxMissing, confine
from roeh.render.answers import Answers, read_envelope
from roeh.render.outcome import NoPicture

_MAX_WHAT_CHARS = 500


def main() -> int:
    """Carry out the order on standard input; the exit status says whether it was."""
    answers = Answers()
    try:
        envelope = read_envelope()
        carry_out = _prepared(envelope)
        confine(envelope.limits)
        carry_out(answers)
    except NoPicture as none:
        return _failed(answers, Failed("no_picture", f"{none}"))
    except SandboxMissing as missing:
        return _failed(answers, Failed("no_sandbox", f"{missing}"))
    except MemoryError:
        return _failed(answers, Failed("no_memory", "more memory would be needed"))
    except Exception as error:  # noqa: BLE001 - whatever a segment brought about is an answer
        return _failed(answers, Failed("unexpected", f"{type(error).__name__}: {error}"))
    return EXIT_OK


def _prepared(envelope: Envelope) -> Callable[[Answers], None]:
    """What carries out the order, with every library that it needs loaded and tried."""
    order = envelope.order
    if isinstance(order, ReportOrder):
        from roeh.render.pdf import PreparedPdf  # noqa: PLC0415 - video needs none of it

        return PreparedPdf(order).give
    from roeh.render import video  # noqa: PLC0415 - a report needs no codec

    video.load()
    recording = video.Recording(order.segments, envelope.descriptors)
    match order:
        case StillOrder():
            return lambda answers: video.give_still(order, recording, answers)
        case PreviewOrder():
            return lambda answers: video.give_preview(order, recording, answers)
        case RedactOrder():
            if envelope.output is None:
                raise ValueError("a copy needs a descriptor to be written to")
            output = envelope.output
            return lambda answers: video.write_redacted(order, recording, answers, output)


def _failed(answers: Answers, failed: Failed) -> int:
    with contextlib.suppress(OSError):
        answers.send(Failed(failed.code, failed.what[:_MAX_WHAT_CHARS]))
    return EXIT_UNEXPECTED

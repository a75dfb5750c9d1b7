"""The one tree of errors and the table of their stable codes and exit statuses.

Every error says what happened, which thing it happened to, and what to do; a user
sees it as one line and a script sees its exit status. Codes and statuses are part of
the product's interface: they are added, never renumbered (edge/docs/errors.md).
"""

from __future__ import annotations

from typing import ClassVar

EXIT_OK = 0
EXIT_UNEXPECTED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def one_line(text: str) -> str:
    """A text as one line that cannot move a terminal's cursor.

    Names in errors come from files and peers, so they may hold anything.
    """
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else character.encode("unicode_escape").decode("ascii")


class RoehError(Exception):
    """Anything the product refuses or cannot do, in words for the person before it.

    Args:
        what: what happened, without a full stop ("unknown key").
        which: the thing it happened to ("[pole] heigth_m in node.toml").
        remedy: what to do now ("write height_m").
    """

    code: ClassVar[str] = "UNEXPECTED"
    exit_status: ClassVar[int] = EXIT_UNEXPECTED

    def __init__(self, *, what: str, which: str, remedy: str) -> None:
        super().__init__(what, which, remedy)
        self.what = what
        self.which = which
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}: {self.which}; {self.remedy}"

    def line(self) -> str:
        """The error as the single line a user sees."""
        return one_line(f"roeh: {self.code}: {self}")


class ConfigError(RoehError):
    """A configuration that cannot be meant."""

    code = "CONFIG"
    exit_status = 10


class LensError(ConfigError):
    """A lens or pose that no camera can have."""

    code = "LENS"
    exit_status = 11


class SourceUnreadable(RoehError):
    """A source that is not there or is not video."""

    code = "SOURCE_UNREADABLE"
    exit_status = 12


class SourceStopped(RoehError):
    """A camera that gave frames and no longer does."""

    code = "SOURCE_STOPPED"
    exit_status = 13


class ModelMissing(RoehError):
    """A model file that is not there."""

    code = "MODEL_MISSING"
    exit_status = 14


class ModelRefused(RoehError):
    """A model file whose hash the manifest does not know."""

    code = "MODEL_REFUSED"
    exit_status = 15


class BrokerRefused(RoehError):
    """A broker that cannot be reached or says no."""

    code = "BROKER_REFUSED"
    exit_status = 16


class PortTaken(RoehError):
    """A port that another program listens on."""

    code = "PORT_TAKEN"
    exit_status = 17


class StorageFull(RoehError):
    """No room to make an alert durable."""

    code = "STORAGE_FULL"
    exit_status = 18


class StorageFailed(RoehError):
    """A store that cannot be opened, written or trusted."""

    code = "STORAGE_FAILED"
    exit_status = 19


class StorageDamaged(StorageFailed):
    """A database whose content is not what was written."""

    code = "STORAGE_DAMAGED"
    exit_status = 31


class PeerRefused(RoehError):
    """A process that asked for what it may not have, or did not speak the protocol."""

    code = "PEER_REFUSED"
    exit_status = 20


class PeerGone(RoehError):
    """The process at the other end of a stream ended or does not answer."""

    code = "PEER_GONE"
    exit_status = 21


class RestartsExhausted(RoehError):
    """A process that keeps ending faster than restarting can help."""

    code = "RESTARTS_EXHAUSTED"
    exit_status = 22


class AlertLost(RoehError):
    """The demo's own check failed: an alert raised did not arrive."""

    code = "ALERT_LOST"
    exit_status = 23


class RuntimeMissing(RoehError):
    """A library or program that this command needs is not installed."""

    code = "RUNTIME_MISSING"
    exit_status = 24


class MessageRefused(RoehError):
    """A message too large or malformed to be stored or sent."""

    code = "MESSAGE_REFUSED"
    exit_status = 25


class ChecksFailed(RoehError):
    """A check (`roeh doctor`, `roeh models`) found something wrong."""

    code = "CHECKS_FAILED"
    exit_status = 26


class OutputRefused(RoehError):
    """A directory or file that results cannot be written to."""

    code = "OUTPUT_REFUSED"
    exit_status = 27


class KeyRefused(RoehError):
    """A key or certificate that is missing, unsafe, revoked or not for this use."""

    code = "KEY_REFUSED"
    exit_status = 28


class EvidenceRefused(RoehError):
    """Evidence that is not there, or that cannot be read or cut as asked."""

    code = "EVIDENCE_REFUSED"
    exit_status = 29


class HoldRefused(RoehError):
    """A hold that does not exist, or a release that needs another person."""

    code = "HOLD_REFUSED"
    exit_status = 30


class CommandRefused(RoehError):
    """An order that a pole refused, or that nobody may give."""

    code = "COMMAND_REFUSED"
    exit_status = 32


class DeskFailed(RoehError):
    """The control room's database cannot be opened, written or trusted."""

    code = "DESK_FAILED"
    exit_status = 33


class HistoryForked(RoehError):
    """A witness saw two histories of one ledger, or one that shrank."""

    code = "HISTORY_FORKED"
    exit_status = 34


class AlarmRefused(RoehError):
    """An alarm that does not exist, or cannot become what was asked."""

    code = "ALARM_REFUSED"
    exit_status = 35


class AccessRefused(RoehError):
    """A person who may not do this, or whose certificate, request or approval is not believed."""

    code = "ACCESS_REFUSED"
    exit_status = 36


class ExportFailed(RoehError):
    """An export that could not be built, fetched or written to a disk."""

    code = "EXPORT_FAILED"
    exit_status = 37


class BundleRefused(RoehError):
    """A bundle that cannot be opened: not one, not for this key, or cut short."""

    code = "BUNDLE_REFUSED"
    exit_status = 38


class RenderFailed(RoehError):
    """Video that could not be decoded for a preview, a copy or a report."""

    code = "RENDER_FAILED"
    exit_status = 39


class CalibrationFailed(RoehError):
    """Pictures or points from which no lens and no pose can be told."""

    code = "CALIBRATION_FAILED"
    exit_status = 40


class CameraMissing(RoehError):
    """A camera on this board, or what drives it, is not there."""

    code = "CAMERA_MISSING"
    exit_status = 41


class TokenRefused(RoehError):
    """A token of enrolment that is unknown, used, expired or for another pole or board."""

    code = "TOKEN_REFUSED"
    exit_status = 42


class ReleaseRefused(RoehError):
    """A release that is not whole, not signed by whom this pole believes, or not for it."""

    code = "RELEASE_REFUSED"
    exit_status = 43


class ReleaseFailed(RoehError):
    """A release that could not be brought into force, or did not prove itself and was left."""

    code = "RELEASE_FAILED"
    exit_status = 44


def error_types() -> list[type[RoehError]]:
    """All error types, ordered by exit status: the table that the documentation prints."""
    found: list[type[RoehError]] = []
    pending: list[type[RoehError]] = [RoehError]
    while pending:
        for subtype in pending.pop().__subclasses__():
            found.append(subtype)
            pending.append(subtype)
    return sorted(found, key=lambda error: error.exit_status)


def error_by_code(code: str) -> type[RoehError]:
    """The error type with this code, so that an error can cross a process border."""
    for error in error_types():
        if error.code == code:
            return error
    return RoehError

"""`--save`: every alert as JSON and its picture beside it, named by the alert's id."""

from __future__ import annotations

from pathlib import Path

import msgspec

from roeh.core.errors import OutputRefused
from roeh.desk.pole import Pole
from roeh.desk.watch.notices import AlertArrived, Notice, ThumbnailArrived
from roeh.transport.messages import picture_suffix


class AlertKeeper:
    """Writes DIR/{site}/{node}/{id}.json and .jpg or .webp; ids sort by time.

    Site, node and id were checked when the message was parsed, so they are no paths.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _refused(directory, error) from None

    def take(self, notice: Notice) -> None:
        """Keep what there is to keep.

        Raises:
            OutputRefused: the file cannot be written.
        """
        if isinstance(notice, AlertArrived):
            if notice.thumbnail is not None:
                self._write_picture(notice.pole, notice.alert.id, notice.thumbnail)
            payload = msgspec.json.format(msgspec.json.encode(notice.alert), indent=2)
            self._write(notice.pole, f"{notice.alert.id}.json", payload + b"\n")
        elif isinstance(notice, ThumbnailArrived):
            self._write_picture(notice.pole, notice.alert_id, notice.thumbnail)

    def _write_picture(self, pole: Pole, alert_id: str, picture: bytes) -> None:
        self._write(pole, f"{alert_id}{picture_suffix(picture)}", picture)

    def _write(self, pole: Pole, name: str, content: bytes) -> None:
        write_kept(self._directory / pole.site / pole.node / name, content)


def write_kept(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OutputRefused: it cannot be written.
    """
    unfinished = path.with_suffix(path.suffix + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        raise _refused(path, error) from None


def _refused(path: Path, error: OSError) -> OutputRefused:
    return OutputRefused(
        what=f"cannot be written ({error.strerror})",
        which=str(path),
        remedy="give --save a directory that this user can write, with room",
    )

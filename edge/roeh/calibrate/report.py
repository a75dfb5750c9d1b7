"""The report of a calibration: a directory with a page, its pictures, TOML to copy, and JSON.

The page is one file with everything inside it, so that it can be sent to a phone. The
pictures stand beside it in full size.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import functools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import cv2
import jinja2
import msgspec
import numpy as np

from roeh.core.durable_files import sync_directory, write_new
from roeh.core.errors import OutputRefused
from roeh.media.frames import UInt8Image

PAGE_FILE = "report.html"
TOML_FILE = "node.toml"
RESULT_FILE = "result.json"

#: On the page a picture is at most this wide or high; the file beside it has full size.
_PAGE_SIDE_PX = 1280
_PAGE_JPEG_QUALITY = 88
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)

Verdict = Literal["good", "doubtful"]


class Figure(msgspec.Struct, frozen=True):
    """A picture of the report.

    Attributes:
        name: of its file, without ".png": lower case, digits and hyphens.
        caption: what is to be seen, and what good looks like.
        picture: (height, width, 3) BGR.
    """

    name: str
    caption: str
    picture: UInt8Image


class Table(msgspec.Struct, frozen=True):
    """Rows of texts under a caption; every row has as many as `columns`."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a calibration found, for a person and for programs.

    Attributes:
        title: "Lens of camera north".
        made: when and from what, one line.
        verdict: whether a technician may use it as it is.
        summary: the figures that matter and, where doubtful, why; a line each, that which
            matters most first.
        figures: the pictures, in their order.
        tables: shown below them.
        toml: to be copied into node.toml.
        result: of the calibration, written as JSON.
    """

    title: str
    made: str
    verdict: Verdict
    summary: tuple[str, ...]
    figures: tuple[Figure, ...]
    tables: tuple[Table, ...]
    toml: str
    result: msgspec.Struct


class _PageFigure(msgspec.Struct, frozen=True):
    """A figure as the page shows it."""

    file: str
    caption: str
    source: str


def check_free(directory: Path) -> None:
    """Refuse a place that has something in it, before work is done for nothing.

    Raises:
        OutputRefused: it is taken, or there is no directory to make it in.
    """
    with _refusals(directory):
        if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
            raise _taken(directory)
        if directory.is_dir() and any(directory.iterdir()):
            raise _taken(directory)
        with tempfile.TemporaryDirectory(prefix=".report-", dir=directory.absolute().parent):
            # It can be made: enough.
            pass


def write_report(directory: Path, report: Report) -> Path:
    """Write the report; the path of its page.

    The directory appears whole or not at all: it is filled under another name, brought to
    the disk, and renamed. One that exists must be empty.

    Raises:
        OutputRefused: there is something already, or it cannot be written.
    """
    with _refusals(directory):
        parent = directory.absolute().parent
        unfinished = Path(tempfile.mkdtemp(prefix=".report-", dir=parent))
        try:
            for name, content in _files(report):
                write_new(unfinished / name, [content])
            sync_directory(unfinished)
            _rename(unfinished, directory)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        sync_directory(parent)
    return directory / PAGE_FILE


def _files(report: Report) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the report's files."""
    for figure in report.figures:
        yield f"{figure.name}.png", _encoded(".png", figure.picture)
    yield TOML_FILE, report.toml.encode()
    yield RESULT_FILE, msgspec.json.format(msgspec.json.encode(report.result)) + b"\n"
    page = _template().render(
        report=report, figures=[_on_page(figure) for figure in report.figures], toml_file=TOML_FILE
    )
    yield PAGE_FILE, page.encode()


def _on_page(figure: Figure) -> _PageFigure:
    picture = figure.picture
    scale = _PAGE_SIDE_PX / max(picture.shape[:2])
    if scale < 1:
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture = np.asarray(small, np.uint8)
    content = _encoded(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, _PAGE_JPEG_QUALITY))
    source = f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"
    return _PageFigure(f"{figure.name}.png", figure.caption, source)


def _encoded(suffix: str, picture: UInt8Image, options: tuple[int, ...] = ()) -> bytes:
    _, encoded = cv2.imencode(suffix, picture, options)
    return encoded.tobytes()


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("roeh.calibrate"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(PAGE_FILE)


@contextlib.contextmanager
def _refusals(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputRefused(
            what=f"the report cannot be written ({error.strerror})",
            which=str(directory),
            remedy="free space there, or name another place with --out; nothing was left there",
        ) from None


def _rename(unfinished: Path, directory: Path) -> None:
    """Give it its name, unless something has that: an empty directory may be replaced."""
    try:
        unfinished.rename(directory)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        raise _taken(directory) from None


def _taken(directory: Path) -> OutputRefused:
    return OutputRefused(
        what="there is something of this name, and no report is overwritten",
        which=str(directory),
        remedy="name another directory with --out",
    )

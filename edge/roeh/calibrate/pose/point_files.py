"""Files of points: a spreadsheet's CSV, or TOML with a table `[[point]]` each.

A point has its pixel and its place: metres east and north of the pole's foot, or latitude
and longitude, or true bearing and range from the pole. Points that only two sensors share
need no place.
"""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from roeh.calibrate.pose.marked_points import MarkedPoint
from roeh.core.errors import CalibrationFailed
from roeh.optics.geodesy import Geodetic, PolePosition

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MAX_BYTES = 1_000_000
_Metres = Annotated[float, Meta(ge=-1000, le=1000)]
_Pixel = Annotated[float, Meta(ge=-1, le=16384)]
_Sigma = Annotated[float, Meta(gt=0, le=1000)]


class PointRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of the file, as it stands there."""

    x_px: _Pixel
    y_px: _Pixel
    name: str = ""
    sensor: str = ""
    east_m: _Metres | None = None
    north_m: _Metres | None = None
    latitude_deg: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude_deg: Annotated[float, Meta(ge=-180, le=180)] | None = None
    bearing_deg: Annotated[float, Meta(ge=0, le=360)] | None = None
    range_m: Annotated[float, Meta(gt=0, le=1000)] | None = None
    sigma_px: _Sigma | None = None
    sigma_m: _Sigma | None = None


class PointFile(msgspec.Struct, frozen=True):
    """The rows of a file, named."""

    path: str
    rows: tuple[PointRow, ...]

    @property
    def is_geographic(self) -> bool:
        """Whether any place is given by latitude and longitude."""
        return any(row.latitude_deg is not None for row in self.rows)


def read_points(path: Path) -> PointFile:
    """The rows of a file of points, each with a name.

    Raises:
        CalibrationFailed: it cannot be read; which row and column is wrong.
    """
    text = _text(path)
    raw = _toml_rows(text, path) if path.suffix.lower() == ".toml" else _csv_rows(text, path)
    rows = []
    for number, values in enumerate(raw, start=1):
        try:
            row = msgspec.convert(values, PointRow, strict=False)
        except msgspec.ValidationError as error:
            raise _wrong(path, *_mistake(number, values, str(error))) from None
        rows.append(row if row.name else msgspec.structs.replace(row, name=f"point-{number}"))
    return PointFile(str(path), tuple(rows))


def _mistake(number: int, values: object, error: str) -> tuple[str, str]:
    """What is wrong with a row and what to do, in the words of whoever made the file."""
    if not isinstance(values, dict):
        return f"point {number} is no table", "write a table [[point]] for each"
    known = PointRow.__struct_fields__
    for column in values:
        if column not in known:
            return f"unknown column {column!r}", f"name the columns {', '.join(known)}"
    for column in ("x_px", "y_px"):
        if column not in values:
            return f"point {number} has no {column}", f"give every point its {column}"
    expected, _, column = error.partition(" - at `$.")
    for theirs, plain in (
        ("`", ""),
        ("Expected", "expected"),
        ("float", "a number"),
        ("str", "text"),
    ):
        expected = expected.replace(theirs, plain)
    shown = values.get(column.rstrip("`"))
    return f"point {number}: {column.rstrip('`')} = {shown!r}: {expected}", "correct that value"


def marked_points(
    file: PointFile,
    sensor: str,
    pole: PolePosition | None,
    *,
    sigma_px: float,
    sigma_m: float,
) -> tuple[MarkedPoint, ...]:
    """The points of one sensor, in metres; a row that names no sensor is everybody's.

    Args:
        file: as read.
        sensor: whose picture they are marked in.
        pole: what latitude and longitude are counted from.
        sigma_px: where the row does not say.
        sigma_m: where the row does not say.

    Raises:
        CalibrationFailed: a point without a place, or no pole to count from.
    """
    found = []
    for row in file.rows:
        if row.sensor not in ("", sensor):
            continue
        east_m, north_m = _place(row, file.path, pole)
        found.append(
            MarkedPoint(
                name=row.name,
                x_px=row.x_px,
                y_px=row.y_px,
                east_m=east_m,
                north_m=north_m,
                sigma_px=sigma_px if row.sigma_px is None else row.sigma_px,
                sigma_m=sigma_m if row.sigma_m is None else row.sigma_m,
            )
        )
    return tuple(found)


def _place(row: PointRow, path: str, pole: PolePosition | None) -> tuple[float, float]:
    """Metres east and north; of several ways to say it a row uses one."""
    ways: Sequence[tuple[float | None, float | None]] = (
        (row.east_m, row.north_m),
        (row.latitude_deg, row.longitude_deg),
        (row.bearing_deg, row.range_m),
    )
    given = [way for way in ways if way != (None, None)]
    if len(given) != 1 or None in given[0]:
        raise _wrong(
            path,
            f"point {row.name} has no place, or two",
            "give east_m and north_m, or latitude_deg and longitude_deg, "
            "or bearing_deg and range_m",
        )
    if row.east_m is not None and row.north_m is not None:
        return row.east_m, row.north_m
    if row.bearing_deg is not None and row.range_m is not None:
        bearing = math.radians(row.bearing_deg)
        return row.range_m * math.sin(bearing), row.range_m * math.cos(bearing)
    if row.latitude_deg is None or row.longitude_deg is None or pole is None:
        raise _wrong(
            path,
            f"point {row.name} has latitude and longitude, but the pole has none",
            "set node.latitude_deg and node.longitude_deg, or give metres",
        )
    return pole.east_north_m(Geodetic(row.latitude_deg, row.longitude_deg))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise _wrong(path, f"cannot be read ({error.strerror})", "name a file of points") from None
    except UnicodeDecodeError:
        raise _wrong(path, "not a text in UTF-8", "save it as CSV in UTF-8") from None
    if len(content) > _MAX_BYTES:
        raise _wrong(path, "too large for a list of points", "name a file of points")
    return text


def _toml_rows(text: str, path: Path) -> Iterator[object]:
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong(path, f"not valid TOML: {error}", "correct that line") from None
    points = values.get("point")
    if set(values) != {"point"} or not isinstance(points, list):
        raise _wrong(path, "no list of points", "write a table [[point]] for each")
    yield from points


def _csv_rows(text: str, path: Path) -> Iterator[object]:
    first = text.partition("\n")[0]
    # A spreadsheet that writes decimal commas separates by semicolons.
    with_semicolons = ";" in first
    reader = csv.reader(io.StringIO(text), delimiter=";" if with_semicolons else ",")
    try:
        rows = [[cell.strip() for cell in row] for row in reader]
    except csv.Error as error:
        raise _wrong(path, f"not CSV: {error}", "save it as CSV") from None
    rows = [row for row in rows if any(row) and not row[0].startswith("#")]
    if not rows:
        raise _wrong(path, "empty", "write a line of column names and a line for each point")
    columns = rows[0]
    if len(set(columns)) != len(columns):
        raise _wrong(path, "two columns of one name", "name each column once")
    for number, row in enumerate(rows[1:], start=1):
        if len(row) > len(columns):
            raise _wrong(
                path,
                f"point {number} has {len(row)} values for {len(columns)} columns",
                "separate values by commas, with points in numbers, or all by semicolons",
            )
        cells = [cell.replace(",", ".") if with_semicolons else cell for cell in row]
        yield {name: cell for name, cell in zip(columns, cells, strict=False) if cell}


def _wrong(path: Path | str, what: str, remedy: str) -> CalibrationFailed:
    return CalibrationFailed(what=what, which=str(path), remedy=remedy)

"""What the sections of all configuration files are made of."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# `(?!\n)` because `$` alone lets a last line feed pass.
Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}(?!\n)$",
        description="a name of at most 63 lower-case letters, digits and hyphens",
    ),
]
BearingDeg = Annotated[float, Meta(ge=0, lt=360)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Priority = Annotated[int, Meta(ge=1, le=9)]
TimeOfDay = Annotated[
    str,
    Meta(
        pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)(?!\n)$",
        description='a time of day such as "06:30"',
    ),
]
LocalTime = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9](?!\n)$",
        description='a local time such as "2027-04-02T18:00"',
    ),
]
FilePath = Annotated[str, Meta(min_length=1, description="the path of a file")]
DirectoryPath = Annotated[str, Meta(min_length=1, description="the path of a directory")]
PictureSide = Annotated[int, Meta(ge=16, le=16384)]
NotEmpty = Annotated[str, Meta(min_length=1, max_length=80)]
RuleKindName = Annotated[
    Literal[
        "zone_entry",
        "line_crossing",
        "loitering",
        "crowd",
        "running",
        "dispersal",
        "vehicle_stopped",
        "object_left",
        "scuffle",
        "loud_noise",
        "camera_tamper",
        "camera_blind",
    ],
    Meta(
        description="one of: zone_entry, line_crossing, loitering, crowd, running, dispersal, "
        "vehicle_stopped, object_left, scuffle, loud_noise, camera_tamper, camera_blind"
    ),
]
PointM = tuple[float, float]
PointPx = tuple[float, float]
Label = Annotated[
    Literal["person", "bicycle", "car", "motorcycle", "bus", "truck", "dog"],
    Meta(description="one of: person, bicycle, car, motorcycle, bus, truck, dog"),
]
NoLabels = Annotated[
    tuple[Label, ...], Meta(max_length=0, description="an empty list: it is not about who is seen")
]
TamperKindName = Annotated[
    Literal["covered", "blinded", "defocused", "turned", "moved"],
    Meta(description="one of: covered, blinded, defocused, turned, moved"),
]
Day = Annotated[
    Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    Meta(description="one of: mon, tue, wed, thu, fri, sat, sun"),
]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the configuration file; a key it does not know is an error."""

"""Pictures of what would have been raised, out of the footage it was seen in."""

from __future__ import annotations

import numpy as np

from roeh.core.config import NodeConfig
from roeh.media.masks import mask_of
from roeh.media.thumbnail import render_thumbnail
from roeh.optics.configured import rig_from
from roeh.tune.footage import Footage
from roeh.tune.judging import Raised


class Pictures:
    """Thumbnails, as the alerts would have had them."""

    def __init__(self, footage: Footage, config: NodeConfig) -> None:
        self._footage = footage
        self._rig = rig_from(config)
        self._masks = {section.name: mask_of(section) for section in config.sensors}

    def __call__(self, raised: Raised) -> bytes | None:
        """The street round what it is about (JPEG); None when nothing of it can be shown."""
        if raised.track_ids and not raised.outlines:
            return None
        frame = self._footage.picture(raised.camera_id, raised.at)
        if frame is None:
            return None
        return render_thumbnail(
            frame,
            self._rig.sensor(raised.camera_id),
            [np.asarray(outline, np.float64) for outline in raised.outlines],
            self._masks[raised.camera_id],
        )

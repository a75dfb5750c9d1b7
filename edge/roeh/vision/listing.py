"""`roeh models`: which models there are, and whether each is what the manifest says."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import msgspec

from roeh.core.errors import EXIT_OK, ChecksFailed
from roeh.vision.manifest import check_models, find_models_dir


def print_models(directory: Path | None, *, as_json: bool, out: TextIO) -> int:
    """Write one line per model; the exit status says whether all are in order.

    Raises:
        ModelMissing, ModelRefused: there is no readable manifest.
    """
    place = find_models_dir(directory)
    checks = check_models(place)
    if as_json:
        for check in checks:
            out.write(msgspec.json.encode(check).decode() + "\n")
    else:
        out.write(f"{place}\n")
        for check in checks:
            size = check.input_size
            shape = f"{size.width_px}x{size.height_px}" if size else "-"
            digest = (check.sha256 or "-")[:16]
            out.write(
                f"  {check.state:9} {check.name:32} {shape:9} sha256 {digest:16}"
                f" {check.licence or '-'}\n"
            )
    return EXIT_OK if all(check.state == "ok" for check in checks) else ChecksFailed.exit_status

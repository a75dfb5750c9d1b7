"""The sums of all files of a bundle, those of its own list among them."""

from __future__ import annotations

import hashlib
from pathlib import Path

_LIST, _SIGNATURE = "SHA256SUMS", "SHA256SUMS.p7s"


def bundle_sums(bundle: Path) -> str:
    """Lines as sha256sum(1) checks them: what the list says, and the list and its signature."""
    listed = (bundle / _LIST).read_text(encoding="utf-8")
    own = [
        f"{hashlib.sha256((bundle / name).read_bytes()).hexdigest()}  {name}\n"
        for name in (_LIST, _SIGNATURE)
    ]
    return listed + "".join(own)

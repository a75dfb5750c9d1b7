"""A bundle's zip, read in place: every byte of it is a member's or what belongs round one."""

from __future__ import annotations

import zlib
from typing import BinaryIO

import msgspec

from roeh.bundle import layout
from roeh.bundle.zip_file import read_zip
from roeh.core.errors import BundleRefused
from roeh.verify.bundles.bag import Bag
from roeh.verify.bundles.contents import Content, StretchContent
from roeh.verify.report import Aspect, Finding, Weight

ZIP_MAGIC = b"PK\x03\x04"
_CHUNK_BYTES = 1 << 20


class FoundZip(msgspec.Struct, frozen=True):
    """What is in it; `bag` None: not even that can be told. `name`: of the bag's directory."""

    bag: Bag | None
    findings: tuple[Finding, ...]
    name: str = ""


def zip_bag(file: BinaryIO) -> FoundZip:
    """The bag in a zip. Its CRCs are compared too: an unzip would stop at a wrong one.

    Raises:
        OSError: it cannot be read.
    """
    try:
        found = read_zip(file)
    except BundleRefused as error:
        return FoundZip(None, (_finding("zip_damaged", f"{error.what} ({error.which})", None),))
    findings = [
        _finding(
            "zip_inexact", f"{fault.what}, at byte {fault.offset_bytes} of the zip", fault.name
        )
        for fault in found.faults
    ]
    contents: dict[str, Content] = {}
    roots: set[str] = set()
    for member in found.members:
        root, _, path = member.name.partition("/")
        if not path or not root.startswith(layout.BAG_PREFIX):
            detail = "is not below the bag's own directory"
            findings.append(_finding("zip_inexact", detail, member.name))
            continue
        roots.add(root)
        if path in contents:
            continue
        content = StretchContent(file.fileno(), member.content_bytes, member.size_bytes)
        contents[path] = content
        if _crc32(content) != member.crc32:
            findings.append(_finding("crc_wrong", "its CRC in the zip is another one", path))
    if len(roots) > 1:
        findings.append(_finding("zip_inexact", "holds more than one bag", None))
    return FoundZip(Bag(contents), tuple(findings), min(roots, default=""))


def _crc32(content: Content) -> int:
    found = 0
    with content.open() as file:
        while chunk := file.read(_CHUNK_BYTES):
            found = zlib.crc32(chunk, found)
    return found


def _finding(what: str, detail: str, path: str | None) -> Finding:
    return Finding(
        aspect=Aspect.BYTES,
        weight=Weight.FAIL,
        what=what,
        detail=detail,
        path=path.partition("/")[2] or path if path else None,
    )

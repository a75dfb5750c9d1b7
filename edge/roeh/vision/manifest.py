"""Which models may be loaded: where they lie, what they are, whether a file is one of them.

The types here are the manifest's schema; `models/manifest.json` is read through them
and nowhere else. A file is known by its SHA-256 alone: a name or a place proves
nothing. `open_model` hands out the very bytes that were hashed, so what is verified
is what runs.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from roeh.core.errors import ModelMissing, ModelRefused
from roeh.core.types import Size

MODELS_ENV = "ROEH_MODELS"
MANIFEST_FILE = "manifest.json"

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Pixels = Annotated[int, msgspec.Meta(gt=0, multiple_of=32)]


class InputTensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model is fed: one picture, rows first, normalised inside the graph."""

    width_px: Pixels
    height_px: Pixels
    colour: Literal["bgr"]
    dtype: Literal["uint8"]
    layout: Literal["nhwc"]


class Measurement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One figure, and how it was come by."""

    quantity: str
    value: float
    how: str


class ModelEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file: a network at one input size."""

    name: str
    file: str
    sha256: Sha256
    size_bytes: int
    input: InputTensor
    measured: tuple[Measurement, ...]

    @property
    def input_size(self) -> Size:
        """Width and height of the input tensor."""
        return Size(width_px=self.input.width_px, height_px=self.input.height_px)


class SourceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file inside the source package."""

    path: str
    sha256: Sha256


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the weights come from and what turned them into the files here."""

    upstream: str
    upstream_licence: str
    registry: Literal["npm"]
    package: str
    version: str
    package_licence: str
    files: tuple[SourceFile, ...]
    converter: str


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The pictures that fixed the ranges of the activations."""

    registry: Literal["debian"]
    package: str
    pictures: int
    list_file: str


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A trained network and its files.

    Attributes:
        decoder: which decoder understands its outputs.
        labels: class names in the order of the score columns.
        used_labels: the classes the product acts on.
    """

    name: str
    decoder: Literal["nanodet"]
    licence: str
    provenance: Provenance
    quantisation: str
    calibration: Calibration
    labels: tuple[str, ...]
    used_labels: tuple[str, ...]
    models: tuple[ModelEntry, ...]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that may be loaded."""

    schema: Literal["roeh/models/1"]
    networks: tuple[Network, ...]

    def entries(self) -> Iterator[tuple[Network, ModelEntry]]:
        """Every model with the network it belongs to, in the manifest's order."""
        for network in self.networks:
            for entry in network.models:
                yield network, entry


@dataclass(frozen=True, slots=True)
class VerifiedModel:
    """A model whose bytes are what the manifest says.

    `content` is the file as it was hashed; runners load it, never the path again.
    """

    network: Network
    entry: ModelEntry
    path: Path
    content: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """Its name in the manifest."""
        return self.entry.name

    @property
    def sha256(self) -> str:
        """What alerts carry as the model that saw."""
        return self.entry.sha256

    @property
    def input_size(self) -> Size:
        """Width and height of the input tensor."""
        return self.entry.input_size

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the score columns."""
        return self.network.labels


CheckState = Literal["ok", "missing", "changed", "unlisted"]


class ModelCheck(msgspec.Struct, frozen=True):
    """How one file of the models directory compares with the manifest.

    Attributes:
        name: name in the manifest; the file's name where it is not listed.
        file: file name in the directory.
        state: "ok"; "missing": listed, not there; "changed": there under a listed name
            with other bytes; "unlisted": a model file the manifest does not know.
        sha256: of the file as it is; None where it is missing.
        network: name of the network; None where it is not listed.
        input_size: of a listed model.
        licence: of a listed model.
    """

    name: str
    file: str
    state: CheckState
    sha256: str | None
    network: str | None
    input_size: Size | None
    licence: str | None


def find_models_dir(
    explicit: Path | None = None, *, environ: Mapping[str, str] = os.environ
) -> Path:
    """The directory with the manifest.

    The explicit path, else ROEH_MODELS, else the checkout's `models/`, else what the
    package installed under the environment's prefix. A path that was named is the one
    used: nothing else is tried in its place.

    Raises:
        ModelMissing: no manifest there.
    """
    named = explicit or (Path(environ[MODELS_ENV]) if environ.get(MODELS_ENV) else None)
    if named is not None:
        if (named / MANIFEST_FILE).is_file():
            return named
        raise ModelMissing(
            what="no model manifest",
            which=str(named / MANIFEST_FILE),
            remedy=f"name the directory that holds {MANIFEST_FILE}",
        )
    checkout = Path(__file__).resolve().parents[3] / "models"
    installed = Path(sys.prefix) / "share" / "roeh" / "models"
    for place in (checkout, installed):
        if (place / MANIFEST_FILE).is_file():
            return place
    raise ModelMissing(
        what="no model manifest",
        which=f"{checkout} or {installed}",
        remedy=f"install the package whole, or set {MODELS_ENV} to its models directory",
    )


def load_manifest(directory: Path) -> Manifest:
    """The manifest of a models directory.

    Raises:
        ModelMissing: there is none.
        ModelRefused: it is not a manifest.
    """
    path = directory / MANIFEST_FILE
    try:
        manifest = msgspec.json.decode(_read(path), type=Manifest)
    except msgspec.DecodeError as error:
        raise ModelRefused(
            what=f"not a model manifest ({error})",
            which=str(path),
            remedy="restore the file from the release it came with",
        ) from error
    names = [entry.name for _, entry in manifest.entries()]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ModelRefused(
            what="two models of one name",
            which=f"{', '.join(doubled)} in {path}",
            remedy="give each model its own name",
        )
    return manifest


def verify(path: Path, manifest: Manifest) -> VerifiedModel:
    """Read a model file and hold it against the manifest.

    Raises:
        ModelMissing: the file is not there or cannot be read.
        ModelRefused: its hash is not in the manifest.
    """
    content = _read(path)
    sha256 = hashlib.sha256(content).hexdigest()
    for network, entry in manifest.entries():
        if entry.sha256 == sha256:
            return VerifiedModel(network=network, entry=entry, path=path, content=content)
    listed = next((entry for _, entry in manifest.entries() if entry.file == path.name), None)
    if listed is None:
        what = f"a model the manifest does not list (sha256 {sha256})"
    else:
        what = f"not the model the manifest lists (sha256 {sha256}, not {listed.sha256})"
    raise ModelRefused(
        what=what,
        which=str(path),
        remedy="restore the released file, or list its hash after measuring it",
    )


def open_model(
    name_or_path: str, models_dir: Path | None = None, *, environ: Mapping[str, str] = os.environ
) -> VerifiedModel:
    """A verified model, by its name in the manifest or by the path of a file.

    A path may lie anywhere: its hash must be in the manifest all the same.

    Raises:
        ModelMissing: no such name or file.
        ModelRefused: the file's hash is not in the manifest.
    """
    directory = find_models_dir(models_dir, environ=environ)
    manifest = load_manifest(directory)
    for _, entry in manifest.entries():
        if entry.name == name_or_path:
            return verify(directory / entry.file, manifest)
    if name_or_path.endswith(".tflite"):
        return verify(Path(name_or_path), manifest)
    known = ", ".join(entry.name for _, entry in manifest.entries())
    raise ModelMissing(
        what="no such model", which=name_or_path, remedy=f"use one of: {known} (roeh models)"
    )


def check_models(directory: Path) -> tuple[ModelCheck, ...]:
    """Every listed model and every model file in the directory, each with its state.

    Raises:
        ModelMissing: no manifest.
        ModelRefused: it is not a manifest.
    """
    manifest = load_manifest(directory)
    listed = [_check_listed(directory, network, entry) for network, entry in manifest.entries()]
    files = {check.file for check in listed}
    unlisted = [
        ModelCheck(
            name=path.name,
            file=path.name,
            state="unlisted",
            sha256=_sha256(path),
            network=None,
            input_size=None,
            licence=None,
        )
        for path in sorted(directory.glob("*.tflite"))
        if path.name not in files
    ]
    return (*listed, *unlisted)


def _check_listed(directory: Path, network: Network, entry: ModelEntry) -> ModelCheck:
    sha256 = _sha256(directory / entry.file)
    state: CheckState = "ok" if sha256 == entry.sha256 else "changed"
    return ModelCheck(
        name=entry.name,
        file=entry.file,
        state="missing" if sha256 is None else state,
        sha256=sha256,
        network=network.name,
        input_size=entry.input_size,
        licence=network.licence,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelMissing(
            what=f"cannot read the file ({error.strerror})",
            which=str(path),
            remedy="restore it from the release, or name another",
        ) from error


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None

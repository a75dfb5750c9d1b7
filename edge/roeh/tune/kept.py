"""Tracks kept for another try: what they are of, and whether they are whole."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from roeh import __version__
from roeh.core.clock import NS_PER_US
from roeh.core.config import NodeConfig
from roeh.core.errors import ConfigError, OutputRefused
from roeh.core.moments import utc_text
from roeh.ledger.utc_spans import UtcSpan
from roeh.tune.changed import OBSERVED, kinds_of
from roeh.tune.footage import FootageFacts
from roeh.tune.scene_file import SceneFile, read_scenes
from roeh.vision.scene import Scene

_PLAN_FILE = "plan.json"
_SCENE_FILE = "scenes.roeh"
_FILE_MODE = 0o600
#: Whole groups of pictures are looked at: they begin and end a little off what was asked for.
_SLACK_US = 15_000_000


class Raising(msgspec.Struct, frozen=True):
    """An alert that the pole itself raised, as its ledger has it; `over_us` None: it stood."""

    rule: str
    t_utc_us: int
    over_us: int | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What kept tracks are of.

    Attributes:
        node: site and name.
        footage: which.
        fps: pictures of each camera looked at in a second.
        rests_on: SHA-256 of what tracks rest on: cameras, detection, this release.
        observed: kinds of rules for which more than tracks was observed.
        raisings: what the pole itself raised in that time, by its ledger; None: nobody knows.
        is_whole: whether all of it was looked at.
    """

    schema: str = "roeh/tune-tracks/1"
    node: str
    footage: FootageFacts
    fps: float
    rests_on: str
    observed: tuple[str, ...]
    raisings: tuple[Raising, ...] | None = None
    is_whole: bool = False


def plan_of(
    config: NodeConfig,
    watched: NodeConfig,
    footage: FootageFacts,
    raisings: tuple[Raising, ...] | None,
) -> Plan:
    """The plan of looking at footage with a node's cameras, for the rules of `watched`."""
    return Plan(
        node=f"{config.node.site}/{config.node.name}",
        footage=footage,
        fps=config.detect.fps,
        rests_on=rests_on(config),
        observed=tuple(sorted(kinds_of(watched) & OBSERVED)),
        raisings=raisings,
    )


def rests_on(config: NodeConfig) -> str:
    """SHA-256 of everything that decides which tracks a picture gives."""
    detect = msgspec.structs.replace(config.detect, threads=1, track_log="")
    cameras = [msgspec.structs.replace(section, source=None) for section in config.sensors]
    digest = hashlib.sha256(__version__.encode())
    for part in (cameras, detect, config.node.heading_deg, config.node.heading_sigma_deg):
        digest.update(msgspec.json.encode(part))
    return digest.hexdigest()


class KeptTracks:
    """A directory with the scenes of some footage.

    Raises:
        OutputRefused: it cannot be written, or what lies there is none of ours.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with self._writing():
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._plan = self._read()

    @property
    def plan(self) -> Plan | None:
        """What is kept, or was begun."""
        return self._plan

    def begin(self, plan: Plan) -> None:
        """What is to be kept from now on; what was begun with such a plan goes on.

        Raises:
            OutputRefused: what is kept is of other footage.
        """
        if self._plan is None:
            self._write(plan)
            return
        kept, wanted = self._plan.footage, plan.footage
        if (kept.identity, kept.cameras) != (wanted.identity, wanted.cameras):
            raise self._other("of other footage")

    def check(self, config: NodeConfig, watched: NodeConfig) -> None:
        """Refuse tracks that cannot serve, before anything is looked at.

        Args:
            config: the node that they are to be judged for.
            watched: likewise, with all the rules that are to be tried.

        Raises:
            OutputRefused: of another node, at another rate, with other cameras or release.
            ConfigError: a rule needs what was not observed.
        """
        kept = self._plan
        if kept is None:
            return
        differing = [
            words
            for words, one, other in (
                ("of another pole", kept.node, f"{config.node.site}/{config.node.name}"),
                ("at another --fps", kept.fps, config.detect.fps),
                ("with other cameras, detection or release", kept.rests_on, rests_on(config)),
            )
            if one != other
        ]
        if differing:
            raise self._other(" and ".join(differing))
        missing = sorted((kinds_of(watched) & OBSERVED) - set(kept.observed))
        if missing:
            raise ConfigError(
                what=f"tracks were kept without what {', '.join(missing)} needs to see",
                which=str(self._directory),
                remedy="name another directory with --save-tracks: the footage is looked at again",
            )

    def scene_file(self) -> SceneFile:
        """To be written on."""
        return SceneFile(self._directory / _SCENE_FILE)

    def finish(self) -> None:
        """All of it was looked at."""
        if self._plan is not None:
            self._write(msgspec.structs.replace(self._plan, is_whole=True))

    def scenes(self, when: UtcSpan | None = None) -> Iterator[Scene]:
        """Those kept, of a stretch of time."""
        for scene in read_scenes(self._directory / _SCENE_FILE):
            t_us = scene.frame.t_utc_ns // NS_PER_US
            if when is None or when.from_us <= t_us < when.to_us:
                yield scene

    def bytes_kept(self) -> int:
        """How much room they take."""
        return (self._directory / _SCENE_FILE).stat().st_size

    def check_within(self, wanted: UtcSpan) -> None:
        """Refuse a stretch of time of which not all is kept.

        Raises:
            OutputRefused: some of it is not.
        """
        if self._plan is None:
            return
        kept = self._plan.footage.when
        if wanted.from_us < kept.from_us - _SLACK_US or wanted.to_us > kept.to_us + _SLACK_US:
            raise OutputRefused(
                what=f"tracks are kept from {utc_text(kept.from_us)} to {utc_text(kept.to_us)}",
                which=str(self._directory),
                remedy="ask for a time within that, or name another directory with --save-tracks",
            )

    def _read(self) -> Plan | None:
        path = self._directory / _PLAN_FILE
        try:
            return msgspec.json.decode(path.read_bytes(), type=Plan)
        except FileNotFoundError:
            if (self._directory / _SCENE_FILE).exists():
                raise self._not_ours() from None
            return None
        except (OSError, msgspec.DecodeError):
            raise self._not_ours() from None

    def _write(self, plan: Plan) -> None:
        path = self._directory / _PLAN_FILE
        aside = path.with_suffix(".part")
        with self._writing():
            aside.touch(mode=_FILE_MODE)
            aside.write_bytes(msgspec.json.format(msgspec.json.encode(plan)) + b"\n")
            aside.replace(path)
        self._plan = plan

    def _other(self, how: str) -> OutputRefused:
        return OutputRefused(
            what=f"the tracks kept there were made {how}",
            which=str(self._directory),
            remedy="name another directory with --save-tracks, or remove this one",
        )

    def _not_ours(self) -> OutputRefused:
        return OutputRefused(
            what="holds no tracks that can be read",
            which=str(self._directory),
            remedy="name another directory with --save-tracks, or remove this one",
        )

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputRefused(
                what=f"cannot be written ({error.strerror})",
                which=str(self._directory),
                remedy="name a directory with room, that this user can write",
            ) from None

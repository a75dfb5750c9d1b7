"""Evidence leaves the pole: one officer asks, another agrees, and it is verified elsewhere.

From the laptop's network, with the product's own client; nobody is trusted but the city's root
and the witness of the control room.
"""

from __future__ import annotations

import datetime
import json
import subprocess
from pathlib import Path

import msgspec

from roeh.core.clock import NS_PER_S, Clock
from virtual_pole.ceremony import ROEH, WITNESS, Keys, Officer
from virtual_pole.commands import output
from virtual_pole.network import in_namespace
from virtual_pole.street import Street
from virtual_pole.troubles import PoleFailed

SITE = "street"
_PORT = 8443
_LOOK_BACK_US = 3_600_000_000
#: So much before the first alert, and at most so much in all: a bundle of seconds is enough.
_BEFORE_US = 2_000_000
_MAX_SPAN_US = 30_000_000
#: The poles send a checkpoint every 5 s, and its witness signs it a moment later: what is older
#: than two of them is anchored.
_ANCHORED_WITHIN_US = 12_000_000
_VIDEO_PATIENCE_S = 90.0
_FETCH_PATIENCE_S = 120
_POLL_S = 0.5
_US_PER_S = 1_000_000


class _Bar(msgspec.Struct, frozen=True):
    from_utc_us: int
    to_utc_us: int
    is_written: bool


class _Lane(msgspec.Struct, frozen=True):
    camera_id: str
    bars: tuple[_Bar, ...]


class _Alert(msgspec.Struct, frozen=True):
    t_utc_us: int


class _Timeline(msgspec.Struct, frozen=True):
    lanes: tuple[_Lane, ...]
    alerts: tuple[_Alert, ...]


class _Export(msgspec.Struct, frozen=True):
    id: str


class Verdict(msgspec.Struct, frozen=True):
    """What the verifier says of a bundle.

    Attributes:
        bundle: the encrypted file.
        checks: its answer to each of its questions.
        exit_status: 0 when all was checked and is right.
        reasons: what it has against it, or could not check.
    """

    bundle: Path
    checks: dict[str, str]
    exit_status: int
    reasons: tuple[str, ...]


def export(street: Street, keys: Keys, name: str, clock: Clock) -> Verdict:
    """Seconds of video around a pole's first alert: asked for, agreed to, fetched, verified.

    Args:
        street: whose.
        keys: the city's, and the officers'.
        name: the pole.
        clock: what time it is.

    Raises:
        PoleFailed: the pole has no such video, or refuses; no witness is known; or the verifier
            cannot read it.
    """
    police = _Police(street, keys, name)
    span = _span(police, clock)
    identity, bundle = street.state / "officers/case.age", street.state / "officers/case.zip.age"
    for old in (identity, bundle):
        old.unlink(missing_ok=True)
    recipient = output([str(ROEH), "police", "keygen", "--out", str(identity)]).split()[-1]
    asked = police.ask(
        keys.investigator,
        *("request", police.url, "--case", "1/2026", "--legal-basis", "trial", "--reason", "trial"),
        *("--camera", span.camera, "--from", _utc(span.from_utc_us), "--to", _utc(span.to_utc_us)),
        *("--to-recipient", recipient, "--json"),
    )
    number = msgspec.json.decode(asked, type=_Export).id
    police.ask(keys.approver, "approve", police.url, number, "--yes", "--json")
    police.ask(
        keys.investigator,
        *("fetch", police.url, number, "--out", str(bundle)),
        *("--timeout", str(_FETCH_PATIENCE_S), "--json"),
    )
    return verified(bundle, identity, keys.root, _witness_key(street))


def verified(bundle: Path, identity: Path, root: Path, witness: Path) -> Verdict:
    """What `roeh verify` says of a bundle.

    Args:
        bundle: encrypted.
        identity: the secret key of its recipient.
        root: the city's.
        witness: its public key.

    Raises:
        PoleFailed: it says nothing.
    """
    done = subprocess.run(
        [
            *(str(ROEH), "verify", str(bundle), "--identity", str(identity), "--trust", str(root)),
            *("--witness", str(witness), "--json"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        conclusions = json.loads(done.stdout)["conclusions"]
        return Verdict(
            bundle=bundle,
            checks={one["aspect"]: one["check"] for one in conclusions},
            exit_status=done.returncode,
            reasons=tuple(
                f"{one['aspect']}: {reason}"
                for one in conclusions
                if one["check"] != "OK"
                for reason in one["reasons"] or ("not checked",)
            ),
        )
    except (ValueError, LookupError, TypeError):
        raise PoleFailed(f"roeh verify says nothing of {bundle}: {done.stderr.strip()}") from None


def _witness_key(street: Street) -> Path:
    """The public key of the street's witness, as verifiers take it.

    Raises:
        PoleFailed: witness.yml has brought none to the laptop.
    """
    told = street.state / f"trust/witnesses/{WITNESS}.keys"
    lines = told.read_text().splitlines() if told.exists() else []
    for line in lines:
        if line.startswith("witness "):
            key = street.state / "officers/witness.key"
            key.write_text(f"{line.split()[-1]}\n")
            return key
    raise PoleFailed(f"no witness is known: nothing of one in {told}")


class _Span(msgspec.Struct, frozen=True):
    camera: str
    from_utc_us: int
    to_utc_us: int


def _span(police: _Police, clock: Clock) -> _Span:
    """From just before the first alert to what is on disk by now; waits until it is anchored."""
    deadline_ns = clock.mono_ns() + int(_VIDEO_PATIENCE_S * NS_PER_S)
    span: _Span | None = None
    while True:
        now_us = clock.read().t_utc_ns // 1000
        seen = police.timeline(now_us - _LOOK_BACK_US, now_us)
        span = span or _first_alert(seen)
        if span is not None and _end_us(seen, span.camera) >= span.to_utc_us + _ANCHORED_WITHIN_US:
            return span
        if clock.mono_ns() > deadline_ns:
            raise PoleFailed("the pole's timeline shows no alert with video on disk and beyond it")
        clock.wait(_POLL_S)


def _first_alert(seen: _Timeline) -> _Span | None:
    for lane in seen.lanes:
        written = [bar for bar in lane.bars if bar.is_written]
        alerts = [
            alert.t_utc_us
            for alert in seen.alerts
            if any(bar.from_utc_us <= alert.t_utc_us < bar.to_utc_us for bar in written)
        ]
        if alerts:
            first_us = min(alerts) - _BEFORE_US
            last_us = _end_us(seen, lane.camera_id)
            return _Span(lane.camera_id, first_us, min(last_us, first_us + _MAX_SPAN_US))
    return None


def _end_us(seen: _Timeline, camera: str) -> int:
    """Until when the camera's video is on disk."""
    return max(
        bar.to_utc_us
        for lane in seen.lanes
        if lane.camera_id == camera
        for bar in lane.bars
        if bar.is_written
    )


class _Police:
    """`roeh police` in the laptop's network, at one pole."""

    def __init__(self, street: Street, keys: Keys, name: str) -> None:
        self._street = street
        self._keys = keys
        self._pole = f"{SITE}/{name}"
        self.url = f"https://{street.place(name).address}:{_PORT}"

    def ask(self, officer: Officer, action: str, *words: str) -> str:
        """Run one of its commands as an officer."""
        command = [
            *(str(ROEH), "police", action, *words, "--pole", self._pole),
            *("--root", str(self._keys.root)),
            *("--key", str(officer.key), "--cert", str(officer.certificate)),
        ]
        return output(in_namespace(self._street.laptop, *command), patience_s=2 * _FETCH_PATIENCE_S)

    def timeline(self, from_us: int, to_us: int) -> _Timeline:
        """What the pole holds."""
        said = self.ask(
            self._keys.investigator,
            *("timeline", self.url, "--from", _utc(from_us), "--to", _utc(to_us), "--json"),
        )
        return msgspec.json.decode(said, type=_Timeline)


def _utc(t_utc_us: int) -> str:
    whole = datetime.datetime.fromtimestamp(t_utc_us // _US_PER_S, tz=datetime.timezone.utc)
    return whole.strftime("%Y-%m-%dT%H:%M:%SZ")

"""What concerns all that is verified: which files are there, who signed, when, and the answers."""

from __future__ import annotations

from roeh.core.moments import utc_text
from roeh.verify.ledger_state import LedgerState
from roeh.verify.report import Aspect, Weight
from roeh.verify.signers import ClaimedTime
from roeh.verify.sitting import Beliefs, Sitting


class WholeCheck:
    """Asked when every file was read."""

    def __init__(self, sitting: Sitting, beliefs: Beliefs) -> None:
        self._sitting = sitting
        self._beliefs = beliefs

    def check(self) -> None:
        """Everything that no single file can tell."""
        self._check_files_present()
        self.check_signers()
        self.check_time()
        self._check_whole()

    def _check_files_present(self) -> None:
        state = self._sitting.ledger
        if state is None:
            return
        self._check_unrecorded(state)
        if self._sitting.place.only is not None:
            return
        for camera_id, numbers in sorted(state.segments.items()):
            for number, recorded in sorted(numbers.items()):
                if (
                    recorded.leaf < self._sitting.required
                    and (camera_id, number) not in self._sitting.present
                ):
                    self._sitting.find(
                        Aspect.COMPLETE,
                        Weight.FAIL,
                        "segment_missing",
                        "the ledger records this segment, no rule deleted it, and it is not here",
                        path=f"segments/{camera_id}/{number:08d}.mp4",
                        leaf=recorded.leaf,
                    )
        for stray in self._sitting.place.strays:
            self._sitting.find(
                Aspect.COMPLETE, Weight.NOTE, "stray_file", "is no segment of ours", path=stray
            )

    def _check_unrecorded(self, state: LedgerState) -> None:
        """Files that had no record when they were read: one may have come since."""
        for camera_id, number, shown in self._sitting.unrecorded:
            newest = state.newest_number.get(camera_id)
            if number in state.segments.get(camera_id, {}) or newest in (None, number - 1):
                self._sitting.find(
                    Aspect.COMPLETE,
                    Weight.NOTE,
                    "still_open",
                    "was still being written: its record comes when it is closed",
                    path=shown,
                )
            elif number not in state.pruned.get(camera_id, ()):
                self._sitting.find(
                    Aspect.COMPLETE,
                    Weight.FAIL,
                    "not_recorded",
                    "the ledger knows no such segment: it was put here",
                    path=shown,
                )

    def check_signers(self) -> None:
        """Whether everybody who signed is believed."""
        if not self._sitting.signers.has_anchors:
            self._sitting.find(
                Aspect.SIGNER,
                Weight.NOT_CHECKED,
                "no_trust_anchor",
                "no root certificate was given (--trust), so nobody is trusted",
            )
            return
        if any(trusted.is_unprovisioned for trusted in self._sitting.signers.trusted.values()):
            self._sitting.find(
                Aspect.SIGNER,
                Weight.NOTE,
                "unprovisioned",
                "the pole made these keys and their root for itself: trusting that root is"
                " trusting the pole's own word",
            )
        self._check_log_keys()
        if self._sitting.signers.untimed:
            self._sitting.find(
                Aspect.SIGNER,
                Weight.NOT_CHECKED,
                "clock_not_set",
                "signed while the node's clock was not set: whether the certificate counted by"
                " then cannot be told",
            )

    def _check_log_keys(self) -> None:
        state = self._sitting.ledger
        if state is None:
            return
        for key in self._sitting.anchoring.log_keys:
            anchor = max(
                (a for a in self._sitting.anchoring.anchors if a.log_key == key),
                key=lambda a: a.size,
            )
            verdict = self._sitting.signers.judge_log(
                key,
                ClaimedTime(state.t_newest_utc_us, state.newest_utc_error_us, state.newest_is_set),
                anchor if anchor.t_utc_us is not None else None,
            )
            if verdict is not None and not verdict.is_trusted:
                self._sitting.find(
                    Aspect.SIGNER,
                    Weight.FAIL,
                    "log_key_not_trusted",
                    f"the key of {anchor.name}: {verdict.reason}",
                )

    def check_time(self) -> None:
        """Whether somebody else had seen all of it."""
        is_seen = any(each.t_utc_us is not None for each in self._sitting.anchoring.anchors)
        if not self._beliefs.witnesses and not is_seen:
            why = "no witness was named (--witness): only the pole itself says when this was"
            self._sitting.find(Aspect.TIME, Weight.NOT_CHECKED, "no_witness", why)
        elif self._sitting.ledger is None:
            why = "without a ledger there is nothing that a witness could have seen"
            self._sitting.find(Aspect.TIME, Weight.NOT_CHECKED, "no_ledger", why)
        elif (
            self._sitting.witnessed_files < self._sitting.recorded_files
            or not self._sitting.recorded_files
        ):
            count = self._sitting.recorded_files - self._sitting.witnessed_files
            self._sitting.find(
                Aspect.TIME,
                Weight.NOT_CHECKED,
                "not_witnessed",
                f"{count} of {self._sitting.recorded_files} segments came after the last"
                " checkpoint that a witness signed",
                leaf=self._sitting.anchoring.witnessed_size,
            )

    def _check_whole(self) -> None:
        state = self._sitting.ledger
        if state is None:
            self._sitting.find(
                Aspect.COMPLETE,
                Weight.NOT_CHECKED,
                "no_ledger",
                "there is no ledger: what is missing at either end, or was never recorded,"
                " cannot be seen",
            )
        elif not state.roots.size:
            self._sitting.find(
                Aspect.COMPLETE, Weight.FAIL, "ledger_empty", "the ledger has no records"
            )
        elif self._sitting.anchoring.signed_size < state.roots.size:
            first = self._sitting.anchoring.signed_size
            self._sitting.find(
                Aspect.COMPLETE,
                Weight.NOTE,
                "behind_checkpoint",
                f"{state.roots.size - first} records are newer than the last signed checkpoint",
                leaf=first,
            )

    def _seen_by(self) -> str:
        """Whoever says when it was there."""
        seen = [a for a in self._sitting.anchoring.anchors if a.t_utc_us is not None]
        stamps = [a for a in seen if a.is_time_stamp]
        if not stamps:
            return "a witness"
        return "a time-stamping authority" if len(stamps) == len(seen) else "a witness"

    def _by_when(self) -> str:
        """The latest time at which the last of them was first seen: they existed by then."""
        latest_us = self._sitting.latest_witness_us
        return "" if latest_us is None else f"; they existed by {utc_text(latest_us)}"

    def grounds(self) -> dict[Aspect, str]:
        """Why an aspect is OK where nothing was found against it."""
        grounds: dict[Aspect, str] = {}
        if self._sitting.signed or self._sitting.proven:
            parts = [
                f"{self._sitting.signed} of {self._sitting.gops} GOPs by their stream signature"
            ]
            if self._sitting.ledger is not None:
                parts.append(f"{self._sitting.proven} by their hash in the ledger")
            grounds[Aspect.BYTES] = ", ".join(parts)
        if self._sitting.signers.trusted:
            named = sorted(
                {str(v.name or v.serial) for v in self._sitting.signers.trusted.values()}
            )
            reasons = sorted({verdict.reason for verdict in self._sitting.signers.trusted.values()})
            grounds[Aspect.SIGNER] = f"{', '.join(named)}: {'; '.join(reasons)}"
        state = self._sitting.ledger
        if state is not None and self._sitting.anchoring.signed_size:
            grounds[Aspect.COMPLETE] = (
                f"{self._sitting.anchoring.signed_size} of {state.roots.size} ledger records under"
                f" a signed checkpoint; {state.segment_count} segments, {state.pruned_count}"
                f" deleted by rule, {state.gap_count} recorded gaps, nothing else missing"
            )
        if self._sitting.witnessed_files:
            grounds[Aspect.TIME] = (
                f"all {self._sitting.witnessed_files} segments are under a checkpoint that"
                f" {self._seen_by()} signed{self._by_when()}"
            )
        return grounds

"""Tells the board's TPM not to count power cuts as guesses.

A TPM that loses its power after it was asked for a sealed key counts that as a wrong guess (TPM 2.0
Library, part 1, dictionary attack protection: a start without an orderly shutdown). After a few, it
gives out nothing for a while, and evidence would stay closed. What is sealed here is 256 random
bits without a PIN: there is nothing to guess. A recovery time of 0 switches the counting
off (part 3, TPM2_DictionaryAttackParameters; the lockout hierarchy has no password yet).
"""

import struct
import sys
from io import FileIO

_LOCKOUT = 0x4000000A
_LOCK_RESET, _PARAMETERS = 0x139, 0x13A
_NO_PASSWORD = struct.pack(">IHBH", 0x40000009, 0, 0, 0)


def _ask(tpm: FileIO, command: int, parameters: bytes) -> None:
    body = struct.pack(">II", _LOCKOUT, len(_NO_PASSWORD)) + _NO_PASSWORD + parameters
    tpm.write(struct.pack(">HII", 0x8002, 10 + len(body), command) + body)
    status = struct.unpack(">HII", tpm.read(4096)[:10])[2]
    if status:
        sys.exit(f"the TPM refused command {command:#x} with {status:#x}")


with FileIO("/dev/tpmrm0", "r+") as tpm:
    _ask(tpm, _LOCK_RESET, b"")
    # At most so many tries, seconds until one is forgotten (0: none is counted), after a lockout.
    _ask(tpm, _PARAMETERS, struct.pack(">III", 32, 0, 0))

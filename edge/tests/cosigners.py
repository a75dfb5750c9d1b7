"""Cosignatures without a witness's memory."""

import base64

from cryptography.hazmat.primitives.asymmetric import ed25519

from roeh.ledger.note import (
    WitnessKey,
    add_signature_line,
    cosigned_message,
    parse_note,
    witness_key_id,
)


class Cosigner:
    """A witness that signs whatever it is given; the real one is in roeh.desk.witness."""

    def __init__(self, name="desk.example/witness"):
        self._private = ed25519.Ed25519PrivateKey.generate()
        self.key = WitnessKey(name, self._private.public_key().public_bytes_raw())

    def cosign(self, written, t_utc_s=1_760_000_000):
        signature = self._private.sign(cosigned_message(parse_note(written).text, t_utc_s))
        packed = witness_key_id(self.key) + t_utc_s.to_bytes(8, "big") + signature
        line = f"— {self.key.name} {base64.b64encode(packed).decode()}"
        return add_signature_line(written, line)

    @property
    def line(self):
        """For a pole's desk.keys_file."""
        typed = base64.b64encode(b"\x04" + self.key.public_key).decode()
        return f"witness {self.key.name}+{witness_key_id(self.key).hex()}+{typed}\n"

"""Keys on a card or token (PKCS#11): the one place that knows python-pkcs11.

The card signs a SHA-256 that was computed here (mechanism CKM_ECDSA, which every card with
an elliptic curve has; CKM_ECDSA_SHA256 not all have), and answers r and s one after the other
(PKCS#11 section 6.3.1). CMS wants them as DER.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from roeh.core.errors import KeyRefused, RuntimeMissing
from roeh.keys.key_pem import UNPARSABLE

#: r and s of P-256.
_SCALAR_BYTES = 32


class CardKey:
    """One private key on a card, with a session open.

    Attributes:
        chain: the certificate of the same label, and that of its CA, as far as the card
            holds them.
    """

    def __init__(self, session: Any, key: Any, which: str) -> None:  # noqa: ANN401 - the binding's
        self._key, self._which = key, which
        own = _certificates(session, key.label)[:1]
        above = [
            one
            for one in _certificates(session)
            if own and one.subject == own[0].issuer and one not in own
        ]
        self.chain = (*own, *above[:1])

    def sign(self, message: bytes) -> bytes:
        """ECDSA P-256 over SHA-256 of `message`, as DER.

        Raises:
            KeyRefused: the card refused, or answered something else.
        """
        pkcs11 = _binding()
        try:
            raw = self._key.sign(hashlib.sha256(message).digest(), mechanism=pkcs11.Mechanism.ECDSA)
        except pkcs11.PKCS11Error as error:
            raise _refused(error, self._which) from error
        if len(raw) != 2 * _SCALAR_BYTES:
            raise KeyRefused(
                what=f"answered a signature of {len(raw)} bytes, not of P-256",
                which=self._which,
                remedy="use a key on the curve P-256",
            )
        r, s = raw[:_SCALAR_BYTES], raw[_SCALAR_BYTES:]
        return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


@contextlib.contextmanager
def card_key(module: Path, token: str, label: str, pin: str) -> Iterator[CardKey]:
    """A key on a card, for as long as its session is open.

    Args:
        module: the card's PKCS#11 library (OpenSC's, SoftHSM's, a maker's).
        token: the token's label.
        label: of the key, and of its certificate if one is there.
        pin: the person's.

    Raises:
        RuntimeMissing: python-pkcs11 is not installed.
        KeyRefused: no such library, token or key, or the PIN is not its.
    """
    pkcs11 = _binding()
    which = f"{label} on {token} ({module})"
    if not module.is_file():
        raise KeyRefused(
            what="no such library",
            which=str(module),
            remedy="name the card's PKCS#11 module, such as opensc-pkcs11.so",
        )
    try:
        session = pkcs11.lib(str(module)).get_token(token_label=token).open(user_pin=pin)
    except pkcs11.PKCS11Error as error:
        raise _refused(error, which) from error
    with contextlib.closing(session):
        try:
            key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=label)
            opened = CardKey(session, key, which)
        except pkcs11.PKCS11Error as error:
            raise _refused(error, which) from error
        yield opened


def _certificates(session: Any, label: str | None = None) -> list[x509.Certificate]:  # noqa: ANN401 - the binding's
    attribute = _binding().Attribute
    wanted = {attribute.CLASS: _binding().ObjectClass.CERTIFICATE}
    if label is not None:
        wanted[attribute.LABEL] = label
    certificates = []
    with contextlib.closing(session.get_objects(wanted)) as found:
        for item in found:
            with contextlib.suppress(*UNPARSABLE):
                certificates.append(x509.load_der_x509_certificate(item[attribute.VALUE]))
    return certificates


def _refused(error: Exception, which: str) -> KeyRefused:
    pkcs11 = _binding()
    wrong_pin = (pkcs11.PinIncorrect, pkcs11.PinLenRange, pkcs11.PinInvalid)
    if isinstance(error, pkcs11.PinLocked):
        what, remedy = "its PIN is locked after too many wrong ones", "unlock it as its issuer says"
    elif isinstance(error, wrong_pin):
        what, remedy = "the PIN is not its", "try again; a card locks itself after a few wrong ones"
    elif isinstance(error, pkcs11.NoSuchToken):
        what, remedy = "no such token is put in", "put the card in, and look: pkcs11-tool -L"
    elif isinstance(error, pkcs11.NoSuchKey):
        what, remedy = "no private key of that label", "look: pkcs11-tool -O --login"
    elif isinstance(error, (pkcs11.MultipleObjectsReturned, pkcs11.MultipleTokensReturned)):
        what, remedy = "more than one of that label", "take the other card out, or relabel"
    else:
        what = f"the card refused ({type(error).__name__}{': ' if str(error) else ''}{error})"
        remedy = "put it in again, and check the module"
    return KeyRefused(what=what, which=which, remedy=remedy)


def _binding() -> Any:  # noqa: ANN401 - a module
    try:
        import pkcs11  # noqa: PLC0415 - only who signs with a card needs it
    except ImportError as error:
        raise RuntimeMissing(
            what="python-pkcs11 is not installed",
            which="--pkcs11",
            remedy="install roeh with the police extra",
        ) from error
    return pkcs11

"""Home `tpm`: keys made inside a TPM 2.0, which never leave it.

On disk lies the key as the TPM wrapped it ("TSS2 PRIVATE KEY", as tpm2-openssl reads it):
of use to no other machine. Its parent is the owner hierarchy's primary key, which the TPM
derives anew each time, so nothing has to be stored in the TPM itself.

The key for TLS is a file here too: Python's TLS cannot use one inside a TPM
(keys/tls_files.py).

The only module that imports tpm2_pytss, an optional extra.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

from roeh.core.errors import KeyRefused, RuntimeMissing
from roeh.keys.certificates import signing_request, spki_der
from roeh.keys.home_file import PemSigner, pkcs8_with_request
from roeh.keys.key_pem import TPM_LABEL, UNPARSABLE, KeyEntry, check_belongs, is_p256
from roeh.keys.key_sets import KeySets, entry_of_set
from roeh.keys.signer import KeyUsage, NodeName, Signer

#: A TPM need have room for three objects: two keys stay, and a parent is there when a
#: third is loaded in the place of one. Media and log are the two that sign all the time.
_KEPT_LOADED = 2


class TpmHome:
    """Keys of the newest set of a key directory, wrapped by one TPM.

    Args:
        sets: the key directory.
        tcti: how to reach the TPM (Tss2_TctiLdr_Initialize(3)), as `device:/dev/tpmrm0`.
    """

    def __init__(self, sets: KeySets, tcti: str) -> None:
        self._sets = sets
        self._tpm = _Tpm(tcti)

    def entry(self, usage: KeyUsage) -> tuple[KeyEntry, str]:
        """A usage's key and certificates, and how they are named in an error."""
        return entry_of_set(self._sets, usage)

    def signer(self, entry: KeyEntry, which: str) -> Signer:
        """What signs with it."""
        if entry.usage is KeyUsage.TLS:
            return PemSigner(entry, home="file", which=which)
        return TpmSigner(self._tpm, entry, which)

    def new_key(self, name: NodeName, usage: KeyUsage) -> bytes:
        """A new key as the TPM wrapped it, then its request, signed by the TPM."""
        if usage is KeyUsage.TLS:
            return pkcs8_with_request(name, usage)
        return self._tpm.new_key(name, usage)


class TpmSigner:
    """Signs inside the TPM.

    Raises:
        KeyRefused: no TPM, not this TPM's key, or not the certificate's.
    """

    home = "tpm"

    def __init__(self, tpm: _Tpm, entry: KeyEntry, which: str) -> None:
        if entry.key_label != TPM_LABEL:
            raise KeyRefused(
                what="the key is not wrapped by a TPM",
                which=which,
                remedy='set [keys] home = "file", or make new keys: roeh keys rotate',
            )
        self._tpm = tpm
        self._key_pem = entry.key_pem
        self.usage = entry.usage
        self.chain_pem = entry.chain_pem
        self.spki_der = spki_der(entry.public_key)
        tpm.check(entry, which)

    def sign(self, message: bytes) -> bytes:
        """ECDSA P-256 over SHA-256 of `message`, as DER."""
        return self._tpm.sign(self._key_pem, message)


class _Tpm:
    """One connection to a TPM with the keys loaded in it; one command at a time.

    Only who signs keeps the connection, and the keys loaded: the kernel's resource manager
    gives each connection its own room, a bare TPM has room for one. After any failure the
    connection is dropped, and the next command makes a new one and loads its key again: a
    TPM that was reset costs one signature.
    """

    def __init__(self, tcti: str) -> None:
        self._tcti = tcti
        self._lock = threading.Lock()
        self._connection: Any = None
        self._loaded: dict[bytes, Any] = {}

    def __del__(self) -> None:
        """Leave the TPM to the next one."""
        if self._connection is not None:
            self._drop(_tss())

    def check(self, entry: KeyEntry, which: str) -> None:
        """Load a key and see that the certificate is for it.

        Raises:
            KeyRefused: it cannot be loaded, or the certificate is another key's.
        """
        with self._commanding(which) as tss:
            public, _, _ = self._connection.read_public(self._handle(tss, entry.key_pem))
            public_key = load_der_public_key(public.to_der())
            self._drop(tss)
        if not is_p256(public_key):
            raise KeyRefused(
                what="the TPM's key is not on the curve P-256",
                which=which,
                remedy="make new keys: roeh keys rotate",
            )
        check_belongs(public_key, entry, which)

    def sign(self, key_pem: bytes, message: bytes) -> bytes:
        """ECDSA over SHA-256 of `message`, as DER."""
        with self._commanding(self._tcti) as tss:
            signature = self._connection.sign(
                self._handle(tss, key_pem),
                hashlib.sha256(message).digest(),
                _ecdsa_sha256(tss),
                tss.TPMT_TK_HASHCHECK(tag=tss.TPM2_ST.HASHCHECK, hierarchy=tss.TPM2_RH.NULL),
            )
            return bytes(signature)

    def new_key(self, name: NodeName, usage: KeyUsage) -> bytes:
        """A new key as the TPM wrapped it, then its signing request."""
        with self._commanding(self._tcti) as tss:
            from tpm2_pytss.cryptography import tpm_ecc_private_key  # noqa: PLC0415 - as below
            from tpm2_pytss.tsskey import TSSPrivKey  # noqa: PLC0415

            key_pem: bytes = TSSPrivKey.create_ecc(self._connection).to_pem()
            handle = self._handle(tss, key_pem)
            request = signing_request(name, usage, tpm_ecc_private_key(self._connection, handle))
            self._drop(tss)
        return key_pem + request.public_bytes(Encoding.PEM)

    @contextlib.contextmanager
    def _commanding(self, which: str) -> Iterator[Any]:
        """The TSS with a connection, for one thread; its failures as ours."""
        tss = _tss()
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = tss.ESAPI(self._tcti)
                yield tss
            except (tss.TSS2_Exception, *UNPARSABLE, RuntimeError) as error:
                self._drop(tss)
                raise _refused(error, which, self._tcti) from error

    def _handle(self, tss: Any, key_pem: bytes) -> Any:  # noqa: ANN401 - the TSS has no types
        """A key's handle in the TPM, loaded when it is not."""
        from tpm2_pytss.tsskey import TSSPrivKey  # noqa: PLC0415 - optional extra

        handle = self._loaded.pop(key_pem, None)
        if handle is None:
            while len(self._loaded) >= _KEPT_LOADED:
                self._unload(tss, next(iter(self._loaded)))
            handle = TSSPrivKey.from_pem(key_pem).load(self._connection)
        self._loaded[key_pem] = handle  # the one used last stands last
        return handle

    def _unload(self, tss: Any, key_pem: bytes) -> None:  # noqa: ANN401 - the TSS has no types
        with contextlib.suppress(tss.TSS2_Exception):
            self._connection.flush_context(self._loaded.pop(key_pem))

    def _drop(self, tss: Any) -> None:  # noqa: ANN401 - the TSS has no types
        if self._connection is None:
            return
        for key_pem in list(self._loaded):
            self._unload(tss, key_pem)
        with contextlib.suppress(tss.TSS2_Exception):
            self._connection.close()
        self._connection = None


def _tss() -> Any:  # noqa: ANN401 - the TSS has no types
    """The TSS, imported when a TPM is wanted: it is an extra, and reads its log's level then."""
    os.environ.setdefault("TSS2_LOG", "all+none")  # what it says, our errors say in one line
    try:
        import tpm2_pytss  # noqa: PLC0415 - optional extra
    except (ImportError, RuntimeError) as error:
        raise RuntimeMissing(
            what=f"tpm2-pytss is not installed ({error})",
            which='[keys] home = "tpm"',
            remedy="install libtss2-dev and gcc, then pip install roeh[tpm]",
        ) from error
    return tpm2_pytss


def _ecdsa_sha256(tss: Any) -> Any:  # noqa: ANN401 - the TSS has no types
    return tss.TPMT_SIG_SCHEME(
        scheme=tss.TPM2_ALG.ECDSA,
        details=tss.TPMU_SIG_SCHEME(ecdsa=tss.TPMS_SCHEME_HASH(hashAlg=tss.TPM2_ALG.SHA256)),
    )


def _refused(error: Exception, which: str, tcti: str) -> KeyRefused:
    return KeyRefused(
        what=f"the TPM at {tcti} refuses ({' '.join(str(error).split())})",
        which=which,
        remedy="see that it is this machine's TPM, that it was not cleared, and that "
        "evidence's user is in the group tss; else roeh keys rotate",
    )

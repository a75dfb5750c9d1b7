"""The offline verifier: bytes intact, signer trusted, complete, time anchored,
custody of what was taken.

It needs the standard library, msgspec and cryptography, no database and no codec. The
judgements are pure: what reads files is `places` and `reading`.
"""

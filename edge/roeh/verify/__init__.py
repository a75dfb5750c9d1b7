"""The offline verifier: bytes, signer, completeness, time, and custody of what was taken.

It needs the standard library, msgspec and cryptography, no database and no codec. The
judgements are pure: what reads files is `places` and `reading`.
"""

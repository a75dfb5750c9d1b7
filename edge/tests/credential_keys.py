"""A key with a chain as C2PA wants it, made by openssl."""

import subprocess

from tests.apt import require_packages

CONFIG = """
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = emailProtection
authorityKeyIdentifier = keyid
subjectKeyIdentifier = hash
"""
CERTIFY = ("x509", "-req", "-CAcreateserial", "-extfile", "c.cnf", "-extensions", "leaf")
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "c.cnf")


def credential_key(directory):
    """Its file: key, certificate, authority, in PEM."""
    require_packages("openssl")
    (directory / "c.cnf").write_text(CONFIG)
    authority = ("-x509", *NEW_KEY, "-extensions", "authority", "-subj", "/O=City/CN=Authority")
    request = ("-new", *NEW_KEY, "-subj", "/O=City/CN=pole-1")
    for command in (
        ("req", *authority, "-keyout", "ca-key.pem", "-out", "ca.pem"),
        ("req", *request, "-keyout", "key.pem", "-out", "leaf.csr"),
        (*CERTIFY, "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-out", "leaf.pem"),
    ):
        subprocess.run(["openssl", *command], cwd=directory, check=True, capture_output=True)
    path = directory / "signing.pem"
    parts = ("key.pem", "leaf.pem", "ca.pem")
    path.write_text("".join((directory / part).read_text() for part in parts))
    return path

#!/bin/sh
# Writes the hashed locks anew (`make lock`; a developer's tool that needs `uv`).
# One universal lock per role: every platform and every Python from 3.10 on.
# pi.txt and jetson.txt refer to the lock of the role they are made of.
set -eu
cd "$(dirname "$0")/.."
command -v uv >/dev/null || { echo "make lock needs uv on the PATH" >&2; exit 1; }

lock() { # lock NAME ARGUMENTS...
    name=$1; shift
    uv pip compile --quiet --universal --python-version 3.10 \
        --generate-hashes --no-emit-index-url --no-header \
        --constraint requirements/constraints.txt \
        --output-file "requirements/$name.txt" "$@"
}
lock dev pyproject.toml --extra dev
lock demo pyproject.toml --extra build --extra demo --extra desk
lock node pyproject.toml --extra node
lock desk pyproject.toml --extra desk --extra postgresql
lock verify pyproject.toml --extra verify
lock police pyproject.toml --extra police
# Apart, because it is compiled on the spot and only where systemd's headers are.
lock systemd requirements/systemd.in
# So is this; what it is compiled with comes first, and both agree with the rest.
lock tpm_build requirements/tpm_build.in --constraint requirements/dev.txt
lock tpm requirements/tpm.in --constraint requirements/dev.txt
# What brings the product to a pole, and what tests it there: not for Python 3.10, which Ansible
# has left behind.
for name in provision hil; do
    uv pip compile --quiet --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-header \
        --constraint requirements/constraints.txt --constraint requirements/dev.txt \
        --output-file "requirements/$name.txt" "requirements/$name.in"
done
# What `make camera-vm` adds to a pole's lock: the real picamera2, as in Debian 13's Python.
uv pip compile --quiet --universal --python-version 3.13 \
    --generate-hashes --no-emit-index-url --no-header \
    --constraint requirements/node.txt \
    --output-file requirements/camera_vm.txt requirements/camera_vm.in

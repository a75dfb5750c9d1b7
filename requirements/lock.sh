#!/bin/sh
# Writes the hashed locks anew (a developer's tool; needs `uv` on the PATH).
# One universal lock per role: every platform and every Python from 3.10 on.
set -eu
cd "$(dirname "$0")/.."
lock() { # lock NAME ARGUMENTS...
    name=$1; shift
    uv pip compile pyproject.toml --quiet --universal --python-version 3.10 \
        --generate-hashes --no-emit-index-url --no-header \
        --constraint requirements/constraints.txt \
        --output-file "requirements/$name.txt" "$@"
}
lock dev --extra dev
lock demo --extra demo --extra desk
lock node --extra node
lock desk --extra desk
lock verify --extra verify

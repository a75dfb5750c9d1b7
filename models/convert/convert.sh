#!/bin/sh
# Makes the committed model files anew and compares them:
#   sh models/convert/convert.sh OUTDIR [HEIGHTxWIDTH ...]
# Everything fetched and made goes to OUTDIR, an environment with TensorFlow included
# (2 GB). Needs python3-venv, npm, apt-get; no root. x86-64 only (tensorflow-cpu).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
[ $# -ge 1 ] || { sed -n 's/^# \{0,1\}//p' "$0"; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift

lock=$repo/requirements/convert.txt
if ! cmp -s "$lock" "$out/venv/installed.txt"; then
    echo "installing TensorFlow into $out/venv"
    rm -rf "$out/venv"
    "${PYTHON:-python3}" -m venv "$out/venv"
    "$out/venv/bin/python" -m pip install --quiet --require-hashes -r "$lock"
    cp "$lock" "$out/venv/installed.txt"
fi

# One order of summation on every run, and no chatter.
export TF_ENABLE_ONEDNN_OPTS=0 TF_CPP_MIN_LOG_LEVEL=3 OMP_NUM_THREADS=1
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$repo/edge:$repo/models"
exec "$out/venv/bin/python" -W ignore -m convert "$out" "$@"

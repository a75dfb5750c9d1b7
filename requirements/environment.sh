#!/bin/sh
# Makes or renews an environment from a hashed lock; quick when nothing changed.
#
#   sh requirements/environment.sh demo        .venv: what `roeh demo` needs
#   sh requirements/environment.sh dev         .venv: that, and what tests and checks need
#   sh requirements/environment.sh provision   build/env/provision: Ansible, for a technician's laptop
#   sh requirements/environment.sh hil         build/env/hil: that, and what tests poles
set -eu
cd "$(dirname "$0")/.."
role=${1:?"demo, dev, provision or hil"}
python=${PYTHON:-python3}
case $role in
    provision | hil) venv=build/env/$role oldest=11 ;;
    *) venv=.venv oldest=10 ;;
esac

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }

command -v "$python" >/dev/null || fail "$python is not installed; on Debian: apt install python3 python3-venv"
"$python" -c "import sys; sys.exit(not (3, $oldest) <= sys.version_info[:2] <= (3, 13))" ||
    fail "needs Python 3.$oldest to 3.13 and $python is $("$python" -V 2>&1); name another: make PYTHON=python3.12"

# What is installed is told by the lock, the entry points and the Python it is for.
wanted() { "$python" -V; cat "requirements/$1.txt" pyproject.toml; }
stamp() { echo "$venv/.installed-$1"; }
fingerprint() { wanted "$1" | sha256sum | cut -d' ' -f1; }
current() { [ -f "$(stamp "$1")" ] && [ "$(cat "$(stamp "$1")")" = "$(fingerprint "$1")" ]; }

if "$venv/bin/python" -c '' 2>/dev/null; then
    # The developer's lock holds the demo's, version by version.
    if current "$role" || { [ "$role" = demo ] && current dev; }; then
        exit 0
    fi
else
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python cannot make an environment; on Debian: apt install python3-venv"
    say "making $venv with $("$python" -V 2>&1)"
    "$python" -m venv --clear "$venv"
fi

say "installing requirements/$role.txt, every file checked against its hash"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@"; }
pip install --require-hashes --only-binary :all: -r "requirements/$role.txt" ||
    fail "could not install requirements/$role.txt (see above); is a package index reachable?"
pip install --quiet --no-build-isolation --no-deps --no-index --editable .
fingerprint "$role" > "$(stamp "$role")"
say "done: $venv/bin/roeh"

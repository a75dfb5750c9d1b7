#!/bin/sh
# Installs the Debian packages that the tests use, where it may: as root, with apt.
# Elsewhere it names what is missing; the tests that need it are then skipped by name.
set -eu
cd "$(dirname "$0")/.."
say() { echo "tests: $*"; }

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

missing=""
if command -v dpkg-query >/dev/null; then
    for package in $(sed 's/#.*//' requirements/debian.txt); do
        installed "$package" || missing="$missing $package"
    done
fi
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing$missing"
        export DEBIAN_FRONTEND=noninteractive
        # shellcheck disable=SC2086  # a list of words
        install() { apt-get install --yes --quiet --no-install-recommends $missing; }
        # Lists may be absent or old: refresh them when the first try fails.
        install >/dev/null 2>&1 || { apt-get update --quiet && install; }
    else
        say "not installed (needs root):$missing"
        say "what needs them is skipped and named at the end"
    fi
fi

# systemd-python comes as source: compiled here from its hashed archive.
python=.venv/bin/python
if ! "$python" -c 'import systemd.daemon' 2>/dev/null; then
    if pkg-config --exists libsystemd 2>/dev/null && command -v gcc >/dev/null; then
        say "compiling systemd-python"
        "$python" -m pip --disable-pip-version-check install --quiet --no-build-isolation \
            --require-hashes -r requirements/systemd.txt
    else
        say "systemd-python is not compiled: libsystemd-dev, pkg-config, gcc or python3-dev is missing"
    fi
fi

# So does tpm2-pytss, the TPM's binding; what compiles it comes first, as wheels.
if ! "$python" -c 'import tpm2_pytss' 2>/dev/null; then
    if pkg-config --exists tss2-esys 2>/dev/null && command -v gcc >/dev/null; then
        say "compiling tpm2-pytss"
        "$python" -m pip --disable-pip-version-check install --quiet --only-binary :all: \
            --require-hashes -r requirements/tpm_build.txt
        "$python" -m pip --disable-pip-version-check install --quiet --no-build-isolation \
            --require-hashes -r requirements/tpm.txt
    else
        say "tpm2-pytss is not compiled: libtss2-dev, pkg-config, gcc or python3-dev is missing"
    fi
fi

"""The police client runs with what its extra brings, and what a pole has beside is not needed."""

import subprocess
import sys

import pytest

#: rich brings three along; cryptography one where Python is too old for it.
_ALLOWED = {
    *("msgspec", "cryptography", "pyrage", "rfc3161_client", "urllib3", "roeh"),
    *("rich", "pygments", "markdown_it", "mdurl", "typing_extensions"),
    # urllib3 takes decoders of its where there are any.
    *("backports", "brotli", "brotlicffi", "zstandard"),
}
_CODE = """
import importlib, pkgutil, sys
before = set(sys.modules)
import roeh.{package}
for each in pkgutil.iter_modules(roeh.{package}.__path__):
    if each.name != "reader":
        importlib.import_module("roeh.{package}." + each.name)
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
extra = loaded - set(sys.stdlib_module_names)
print(*sorted(name for name in extra if not name.startswith("_")))
"""


@pytest.mark.parametrize("package", ["police", "usb"])
def test_importing_it_needs_no_server_codec_or_arrays(package):
    code = _CODE.format(package=package)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= _ALLOWED

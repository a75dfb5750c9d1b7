"""The verifier runs with the standard library, msgspec and cryptography alone."""

import subprocess
import sys

# cryptography brings typing_extensions along where Python is too old for it.
_ALLOWED = "{'msgspec', 'cryptography', 'roeh', 'typing_extensions'}"
_CODE = f"""
import importlib, pkgutil, sys
before = set(sys.modules)
import roeh.verify
for each in pkgutil.iter_modules(roeh.verify.__path__):
    importlib.import_module("roeh.verify." + each.name)
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
extra = loaded - set(sys.stdlib_module_names) - {_ALLOWED}
print(sorted(name for name in extra if not name.startswith(("_", "__"))))
print("sqlite3" in sys.modules)
"""


def test_importing_the_verifier_needs_no_database_codec_or_arrays():
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "False"]

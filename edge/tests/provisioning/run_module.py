"""Runs a module of deploy/ansible as a pole would, with the technician's environment.

Arguments: the module's name. Standard input: JSON, its parameters. Standard output: its answer.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

from ansible.module_utils.testing import patch_module_args

MODULES = Path(__file__).resolve().parents[3] / "deploy/ansible/plugins/modules"

if __name__ == "__main__":
    with patch_module_args(json.load(sys.stdin)):
        runpy.run_path(str(MODULES / f"{sys.argv[1]}.py"), run_name="__main__")

"""What a run does after its last verdict: every second of it is one that Ctrl-C waits for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
IMPORTED = "import sys, pytest; code = pytest.main(sys.argv[1:]); print(code, 'hypothesis' in sys.modules)"


def test_a_run_imports_no_plugin_of_the_tests_of_our_own_code(tmp_path: Path) -> None:
    few = ["--topology=lab-small", "--simulate", "-q", "-k", "pod-n1 and web-np", f"--out={tmp_path}", "suites"]
    command = [sys.executable, "-c", IMPORTED, *few]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.stdout.splitlines()[-1] == "0 False", done.stdout + done.stderr

"""What the command line and the topologies import before anybody needs it."""

import re
import subprocess
import sys

import pytest

from hairpin.main import VERBS, make_parser
from tests.unit.support.paths import ROOT

pytestmark = pytest.mark.slow

SLOW = ("kubernetes", "jinja2", "paramiko", "pyroute2")


def loaded_by(code: str) -> set[str]:
    """Return the modules that a new interpreter has imported after this code."""
    script = f"import sys\ntry:\n {code}\nexcept SystemExit: pass\nsys.stderr.write(chr(10).join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines())


def test_help_imports_no_verb() -> None:
    loaded = loaded_by("from hairpin.main import main; main(['--help'])")

    assert "hairpin.main" in loaded
    assert not loaded & {f"hairpin.{verb}" for verb in VERBS}


def test_a_verb_imports_no_other_verb() -> None:
    loaded = loaded_by("from hairpin.main import main; main(['clean', '--help'])")

    assert loaded & {f"hairpin.{verb}" for verb in VERBS} == {"hairpin.clean"}


@pytest.mark.parametrize(
    "code", ["import topologies.cluster.client", "from hairpin.main import main; main(['predict', 'lab-small'])"]
)
def test_what_needs_no_cluster_imports_no_slow_library(code: str) -> None:
    assert not loaded_by(code) & set(SLOW)


def test_the_kubernetes_library_is_imported_at_its_first_use() -> None:
    code = "from topologies.cluster import library; assert 'kubernetes' not in sys.modules; library.client"

    assert "kubernetes.client" in loaded_by(code)


@pytest.mark.parametrize("verb", VERBS)
def test_help_lists_every_verb(verb: str) -> None:
    assert re.search(rf"\n    {verb}\s", make_parser().format_help())
    assert re.search(rf"\n    {verb}\s", make_parser(verb).format_help())

"""`hairpin lab get` as a process: killed and started again, started twice, and on a disk that fills up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.unit.support.paths import ROOT
from tests.unit.topologies.lab.test_modules import FakeGo
from topologies.common.waiting import Deadline, unmet, until

if TYPE_CHECKING:
    from pathlib import Path

GET = """\
from topologies.lab.__main__ import main
from topologies.lab.build import go_module
go_module.check_room = lambda _: None
main(["get", "1.34.4", "kube-proxy"])
"""
# writes the first half of a program, waits for the file `go-on`, and writes all of it
SLOW = """\
  while [ "$1" != -o ]; do shift; done; echo '#!/bin/sh' > "$2"; touch {folder}/half
  while [ ! -e {folder}/go-on ]; do sleep 0.05; done; echo 'echo Kubernetes v1.34.4' >> "$2"; chmod +x "$2" ;;
"""
FULL = """\
  while [ "$1" != -o ]; do shift; done; head -c 8000000 /dev/zero > "$2" || exit 1 ;;
"""
ON_SMALL_DISK = 'mount -t tmpfs -o size=4m tmpfs "$HAIRPIN_CACHE" && exec "$@"'

pytestmark = pytest.mark.slow


class Getting:
    """A `hairpin lab get 1.34.4 kube-proxy` with a fake Go, whose build step is given."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
        self.folder, self.cache = tmp_path / "go", tmp_path / "cache"
        self.go = FakeGo(self.folder, monkeypatch)
        self.cache.mkdir()
        program = self.folder / "go"
        before, _, after = program.read_text().partition("build)\n")
        program.write_text(f"{before}build)\n{step.format(folder=self.folder)}{after[after.index('esac') :]}")
        self.kept = self.cache / "kubernetes" / "1.34.4" / "kube-proxy"

    def start(self, *before: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "HAIRPIN_CACHE": str(self.cache), "COLUMNS": "80"}
        argv = [*before, sys.executable, "-c", GET]
        to = subprocess.PIPE
        return subprocess.Popen(argv, cwd=ROOT, env=environment, text=True, stdout=to, stderr=subprocess.STDOUT)

    def await_half(self) -> None:
        until(unmet((self.folder / "half").exists), Deadline(30.0), "half a program")


def test_a_build_that_was_killed_resumes_and_nothing_half_built_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    getting = Getting(tmp_path, monkeypatch, SLOW)
    first = getting.start()
    getting.await_half()
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=30)
    assert not getting.kept.exists()

    (getting.folder / "go-on").touch()
    second = getting.start()
    assert "Kubernetes 1.34.4: 1 programs" in second.communicate(timeout=60)[0]
    assert getting.kept.read_text() == "#!/bin/sh\necho Kubernetes v1.34.4\n"
    assert not getting.kept.parent.with_name("1.34.4.modules").exists()


def test_a_second_process_waits_for_the_build_and_uses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    getting = Getting(tmp_path, monkeypatch, SLOW)
    first = getting.start()
    getting.await_half()
    second = getting.start()
    assert second.stdout is not None
    line = second.stdout.readline()
    (getting.folder / "go-on").touch()
    outputs = [one.communicate(timeout=60)[0] for one in (first, second)]

    assert line == f"waiting for another process that builds {getting.kept.parent}\n"
    assert [one.returncode for one in (first, second)] == [0, 0], outputs
    assert getting.go.built() == ["k8s.io/kubernetes/cmd/kube-proxy"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_disk_that_fills_up_during_a_build_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    getting = Getting(tmp_path, monkeypatch, FULL)
    on_small_disk = ("unshare", "--mount", "sh", "-c", ON_SMALL_DISK, "sh")
    environment = {**os.environ, "HAIRPIN_CACHE": str(getting.cache)}
    if subprocess.run([*on_small_disk, "true"], env=environment, check=False).returncode:
        pytest.skip("this container may not mount")

    done = getting.start(*on_small_disk)
    output = done.communicate(timeout=60)[0]

    assert done.returncode == 1
    assert "Traceback" not in output
    assert "got a full disk (0.0 GiB free), want 5 GiB for the build. Set HAIRPIN_CACHE" in output
    assert "try again: it resumes" in output

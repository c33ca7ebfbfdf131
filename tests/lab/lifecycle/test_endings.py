"""Ways for a run on a real API server to end, or not to begin: exit code, first line, time, and what is left behind.

`HAIRPIN_INTERRUPTS=20` for as many Ctrl-C as wanted, at moments that HAIRPIN_SEED chooses. Otherwise one, and with
`HAIRPIN_SLOW=1` three; then also each odd environment alone, and a stopped etcd.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from reports.records.journal import load
from tests.lab.support.broken import small
from tests.lab.support.endings import NAME, NAMESPACES, Place, asking, deployed, stderr_of
from tests.lab.support.machine import pids
from tests.lab.support.settings import SLOW
from tests.lab.support.small import api
from tests.unit.support.paths import ROOT
from topologies.lab.build.binaries import cache_dir
from topologies.lab.sandbox import Sandbox, locate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")
INTERRUPTS = int(os.environ.get("HAIRPIN_INTERRUPTS", "3" if SLOW in os.environ else "1"))
SEED = int(os.environ.get("HAIRPIN_SEED", "1"))
ENDS_S = 10.0
TOKEN_CACHED_S = 10.0  # how long an API server takes a token for valid without asking (WithTokenSuccessCacheTTL)
KNOWN_AT_ONCE_S = 15.0  # from the namespace's creation; how long pytest takes to start is not ours


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with small(NAME, tmp_path_factory.mktemp("endings")) as file:
        yield Place(file)


@pytest.fixture(autouse=True)
def _nothing_left(place: Place) -> Iterator[None]:
    """Remove what a failed test has left: it is not the next one's fault."""
    yield
    if place.left():
        place.hairpin("clean", "--all")


@pytest.fixture(scope="module")
def lasts(place: Place, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds of a whole run here, now."""
    whole = place.ran(tmp_path_factory.mktemp("whole"))
    assert whole.code in {0, 1}, whole
    assert load(whole.folder).complete
    return whole.seconds


def test_a_whole_run_names_nothing_left_and_leaves_nothing(place: Place, lasts: float) -> None:
    assert lasts
    assert not place.left()


@pytest.mark.parametrize("number", range(INTERRUPTS))
def test_ctrl_c_at_any_moment(number: int, place: Place, lasts: float, tmp_path: Path) -> None:
    moment = random.Random(f"{SEED} {number}").uniform(0.5, lasts)
    process = place.start(tmp_path)
    sleep(moment)
    began = monotonic()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    ran = place.ended(process, tmp_path, began)
    left = place.left()

    told = f"Ctrl-C after {moment:.1f} of {lasts:.1f} s: exit {ran.code} {ran.seconds:.1f} s later, left {left}"
    print(f"\n{number}: {told}")
    assert ran.seconds < ENDS_S, ran
    assert all(f"namespace {name} is left behind" in ran.out + ran.err for name in left), ran
    if (tmp_path / "last" / "run.json").exists():
        assert not [record for record in load(tmp_path / "last").records if record.verdict == "fail"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_it_asks(number: int, place: Place, tmp_path: Path) -> None:
    process = place.start(tmp_path)
    asking(process, tmp_path)
    began = monotonic()
    os.kill(process.pid, number)
    ran = place.ended(process, tmp_path, began)

    assert ran.seconds < ENDS_S, ran
    assert ran.code in {2, 0, 1}, ran  # 0 and 1: it had asked everything
    assert not place.left()


def test_output_that_nobody_reads(place: Place, tmp_path: Path) -> None:
    """As with `| head -1`."""
    process = place.start(tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.communicate(timeout=300)

    assert not place.left(), stderr_of(tmp_path).read_text()
    assert load(tmp_path / "last").plan


@contextmanager
def replaced(place: Place, **change: Any) -> Iterator[Place]:
    """The same lab under a topology that declares something else."""
    other = place.topology.with_name("other.yaml")
    declared = yaml.safe_load(place.topology.read_text(encoding="utf-8")) | change
    other.write_text(yaml.safe_dump(declared, sort_keys=False), encoding="utf-8")
    yield Place(other)


def test_an_image_that_cannot_be_pulled(place: Place, tmp_path: Path) -> None:
    with replaced(place, images={"agnhost": "registry.invalid/agnhost:9"}) as other:
        ran, took = other.lived(tmp_path, "-k", "pod-n1 and web-np")

    assert ran.code == 6, ran
    assert "(ErrImagePull for image registry.invalid/agnhost:9" in ran.first, ran
    assert took < KNOWN_AT_ONCE_S, ran
    assert not place.left()


def test_an_image_name_that_is_none(place: Place, tmp_path: Path) -> None:
    with replaced(place, images={"agnhost": "a" * 64}) as other:  # no name, but an id: only the kubelet refuses it
        ran = other.ran(tmp_path, "-k", "pod-n1 and web-np")

    assert (ran.code, "InvalidImageName" in ran.first) == (6, True), ran


def test_a_policy_that_refuses_pods(place: Place, tmp_path: Path) -> None:
    """A quota would be refused likewise; a namespace's own needs somebody who makes it before us, so: admission."""
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "refuse"},
        "webhooks": [
            {
                "name": "refuse.example.org",
                "clientConfig": {"url": "https://198.18.1.10:1/"},
                "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "timeoutSeconds": 1,
            }
        ],
    }
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    api(NAME, "POST", path, policy)
    try:
        ran = place.ran(tmp_path, "-k", "pod-n1 and web-np")
    finally:
        api(NAME, "DELETE", f"{path}/refuse")

    assert ran.code == 6, ran
    assert ran.first.startswith("the cluster could not be tested: create Pod web-a in hairpin-"), ran
    assert "refuse.example.org" in ran.first
    assert not place.left()


def test_two_runs_at_once_take_turns(place: Place, tmp_path: Path) -> None:
    outs = [tmp_path / "a", tmp_path / "b"]
    processes = [place.start(out) for out in outs]
    ran = [place.ended(process, out) for process, out in zip(processes, outs, strict=True)]

    for one in ran:
        assert one.code == 0, one
    assert [one for one in ran if "is asking this cluster" in one.err], ran[0]


def test_clean_spares_the_run_that_asks(place: Place, tmp_path: Path) -> None:
    process = place.start(tmp_path)
    cleaned = ""
    while process.poll() is None:
        sleep(0.2)
        if place.left():
            cleaned += place.hairpin("clean").stdout
    ran = place.ended(process, tmp_path)

    assert ran.code == 0, ran
    assert "spared: its run is at work" in cleaned
    assert "removed" not in cleaned.replace("--all removes", "")


def test_clean_removes_what_a_killed_run_left(place: Place, tmp_path: Path) -> None:
    process = place.start(tmp_path)
    deployed(place, process)
    os.killpg(process.pid, signal.SIGKILL)
    place.ended(process, tmp_path)
    [left] = place.left()
    sleep(21)
    cleaned = place.hairpin("clean")

    assert f"namespace {left} of " in cleaned.stdout
    assert cleaned.stdout.endswith("removed\n")
    assert not place.left()


PROXY = "http://198.18.1.10:1"
ODD = {
    "proxy": {"HTTPS_PROXY": PROXY, "https_proxy": PROXY, "NO_PROXY": "198.18.0.0/15"},
    "LANG=C": {"LANG": "C", "LC_ALL": "C", "TERM": "dumb"},
    "de_DE": {"LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8"},
    "home": {"HOME": "/proc", "HAIRPIN_CACHE": str(cache_dir())},
}
ALL = {"all": {name: value for env in ODD.values() for name, value in env.items()}}


@pytest.mark.parametrize("name", [*ALL, *ODD] if SLOW in os.environ else ALL)
def test_odd_surroundings_change_no_verdict(name: str, place: Place, tmp_path: Path) -> None:
    ran = place.ran(tmp_path, **{**ALL, **ODD}[name])

    assert ran.code == 0, ran


def test_a_dead_proxy_is_named(place: Place, tmp_path: Path) -> None:
    ran = place.ran(tmp_path, "-k", "pod-n1 and web-np", HTTPS_PROXY=PROXY)

    assert ran.code == 6, ran
    assert f"through the proxy {PROXY}" in ran.first, ran


@pytest.mark.parametrize("daemon", ["kube-apiserver", "etcd"] if SLOW in os.environ else ["kube-apiserver"])
def test_a_control_plane_that_stops_answering_while_it_asks(daemon: str, place: Place, tmp_path: Path) -> None:
    """Stopped, not killed: connections stay open and nobody answers."""
    process = place.start(tmp_path)
    asking(process, tmp_path)
    [left] = place.left()
    stopped = pids(NAME, daemon)
    assert stopped
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        ran = place.ended(process, tmp_path)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    place.hairpin("clean", "--all")

    print(f"\n{daemon} stopped: exit {ran.code} after {ran.seconds:.1f} s: {ran.first}")
    assert ran.code in {0, 1, 6}, ran  # 0: it had asked everything
    assert f"namespace {left} is left behind" in ran.out + ran.err or not place.left(), ran
    assert "Traceback" not in ran.out + ran.err
    if (tmp_path / "last" / "run.json").exists():
        assert not [record for record in load(ran.folder).records if record.verdict == "fail"], ran


def test_a_user_without_rights_on_the_machine(place: Place, tmp_path: Path) -> None:
    """As `nobody`, who may read the interpreter wherever it is, and a kubeconfig: nothing of a run needs root."""
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:-1]:
        parent.chmod(parent.stat().st_mode | 0o055)
    config = tmp_path / "kubeconfig"
    config.write_bytes((locate(NAME).kube / "admin.conf").read_bytes())
    config.chmod(0o644)
    sandbox = Sandbox.find(NAME)
    reads = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *reads]
    pytest_ = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--out={tmp_path}/out"]
    more = [f"--topology={place.topology}", f"--kubeconfig={config}", "-k", "pod-n1 and web-np"]
    done = subprocess.run(
        sandbox.enter_command("cp", [*as_nobody, *pytest_, *more]),
        cwd=ROOT,
        env=sandbox.environment() | {"HOME": "/nonexistent"},
        text=True,
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


def test_a_token_that_is_revoked_while_it_asks(place: Place, tmp_path: Path) -> None:
    """The ServiceAccount goes, and with it its token; the cells not asked yet are inconclusive, the namespace named.

    The API server takes the token for valid as long as its cache holds it, so the run is stopped meanwhile.
    """
    accounts = f"{NAMESPACES}/default/serviceaccounts"
    api(NAME, "POST", accounts, {"metadata": {"name": "soon-gone"}})
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "soon-gone"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "soon-gone", "namespace": "default"}],
    }
    api(NAME, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    status: Any = api(NAME, "POST", f"{accounts}/soon-gone/token", asked)["status"]
    config = yaml.safe_load((locate(NAME).kube / "admin.conf").read_text())
    config["users"][0]["user"] = {"token": status["token"]}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    process = place.start(tmp_path / "out", f"--kubeconfig={kubeconfig}")
    asking(process, tmp_path / "out")
    os.kill(process.pid, signal.SIGSTOP)
    api(NAME, "DELETE", f"{accounts}/soon-gone")
    sleep(TOKEN_CACHED_S + 2)
    os.kill(process.pid, signal.SIGCONT)
    ran = place.ended(process, tmp_path / "out")
    left = place.left()
    place.hairpin("clean", "--all")

    assert ran.code in {1, 6}, ran
    assert "401" in ran.out + ran.err
    assert all(f"namespace {name} is left behind" in ran.out + ran.err for name in left), ran
    assert not [record for record in load(ran.folder).records if record.verdict == "fail"], ran

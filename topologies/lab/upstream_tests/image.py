"""The image that stands for upstream's agnhost, busybox and distroless-iptables in the tests, and only there.

It is the lab's image of agnhost with the programs that the tests run in a pod and that the lab's pods do not need:
OpenBSD's `nc` (datagrams), `conntrack` and `ss`, and with a certificate for `agnhost porter`. Its shell is bash, since
busybox's runs its own `nc` whatever PATH has. Each worker of the running lab imports the image; the images of other
labs do not change.

Source: `test/images/agnhost/Dockerfile` of Kubernetes.
"""

from __future__ import annotations

import platform
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from topologies.common.subprocesses import ProcessError, run
from topologies.common.threads import run_all
from topologies.lab.build.apt import Debian, DebianError
from topologies.lab.build.archive import Image, Link, write_archive
from topologies.lab.build.images import PAUSE, UNFINISHED, ImagesError, agnhost_image, libraries
from topologies.lab.build.kubernetes import locked
from topologies.lab.requirements import PATH
from topologies.lab.worker.node import SOCKET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from topologies.lab.build.archive import Content
    from topologies.lab.build.binaries import Binaries
    from topologies.lab.build.container_runtime import ContainerRuntime
    from topologies.lab.sandbox import Sandbox

NAME = "hairpin.local/upstream-tests:1"
STANDS_FOR = {"pause": PAUSE, **dict.fromkeys(("agnhost", "busybox", "debian-iptables", "distroless-iptables"), NAME)}
"""The lab's image that gets the name of upstream's image of a short name."""
# program of this machine -> the package that has it
INSTALLED = {"bash": "bash", "conntrack": "conntrack", "ss": "iproute2"}
NETCAT = ("netcat-openbsd", "libbsd0", "libmd0")
NETCAT_PROGRAM = "nc.openbsd"
ARGUMENTS = ("pause",)  # as upstream's Dockerfile has them; the pod of the HostPort test declares none
AT_ONCE = 3  # workers that import at a time


def make_image(binaries: Binaries, keys: Path, cache: Path, progress: Callable[[str], None]) -> Image:
    """Return the image.

    Args:
        binaries: The lab's programs, with agnhost.
        keys: The lab's directory of keys. `agnhost porter` serves with the kubelets' certificate.
        cache: The cache directory.
        progress: Receives the progress.

    Raises:
        ImagesError: A program is missing or cannot be fetched.

    """
    with locked(cache / "golden.lock", progress):  # whoever holds it removes what others have left in `images`
        base = agnhost_image(binaries, cache, progress)
        fetched = netcat(cache, progress)
    certificate = {f"localhost{suffix}": keys / f"kubelet{suffix}" for suffix in (".crt", ".key")}
    own = {"bin/sh": Link("../usr/bin/bash"), **_installed(), **fetched, **certificate}
    return Image(NAME, base.entrypoint, {**base.files, **own}, ARGUMENTS)


def _installed() -> dict[str, Content]:
    """Return the files of the programs that this machine has, with their libraries."""
    files: dict[str, Content] = {}
    for name, package in INSTALLED.items():
        if not (program := shutil.which(name, path=PATH)):
            message = f"{name} of the tests' image: got no such program, want it. Run apt-get install {package}"
            raise ImagesError(message)
        files[f"usr/bin/{name}"] = Path(program)
        files |= {f"usr{library}": Path(library) for library in libraries(run(("ldd", program)))}
    return files


def netcat(cache: Path, progress: Callable[[str], None]) -> dict[str, Path]:
    """Return OpenBSD's netcat of the machine's Debian with its libraries, fetched once; nothing is installed."""
    suite = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    kept = cache / "images" / f"netcat-{suite}"
    if not kept.is_dir():
        _fetch_netcat(suite, kept, progress)
    triplet = f"usr/lib/{platform.machine()}-linux-gnu"
    return {"bin/nc": kept / NETCAT_PROGRAM, **{f"{triplet}/{path.name}": path for path in kept.glob("*.so.*")}}


def _fetch_netcat(suite: str, kept: Path, progress: Callable[[str], None]) -> None:
    """Fetch the packages, and keep the program and its libraries in one directory.

    Raises:
        ImagesError: They cannot be fetched.

    """
    kept.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=kept.parent, prefix=UNFINISHED) as folder:
        work = Path(folder)
        debian = Debian(work / "apt", suite, progress)
        try:
            debian.update()
            for package in NETCAT:
                run(("dpkg-deb", "--extract", str(debian.download(package, work)), f"{work}/unpacked"))
        except (DebianError, ProcessError) as error:
            message = f"packages {', '.join(NETCAT)} of the tests' image: {error}"
            raise ImagesError(message) from error
        (work / "kept").mkdir()
        found = (*work.glob(f"unpacked/**/{NETCAT_PROGRAM}"), *work.glob("unpacked/**/lib*.so.?"))
        for path in found:
            shutil.copy(path, work / "kept" / path.name)
        (work / "kept").rename(kept)


def load(sandbox: Sandbox, runtime: ContainerRuntime, image: Image, listed: Iterable[str]) -> None:
    """Import the image on every worker, and give the lab's images the names of upstream's.

    Args:
        sandbox: The running lab.
        runtime: The lab's containerd.
        image: What to import.
        listed: The images that `e2e.test` lists.

    Raises:
        ProcessError: containerd refused it.

    """
    archive = write_archive(image, sandbox.state.root / "upstream-tests.tar")
    tags = [("tag", "--force", own, *names) for own, names in stand_ins(listed).items()]

    def import_on(worker: str) -> None:
        for words in (("import", str(archive)), *tags):
            run(sandbox.enter_command(worker, _ctr(runtime, *words)))

    run_all(import_on, sandbox.workers(), AT_ONCE)
    archive.unlink()


def stand_ins(listed: Iterable[str]) -> dict[str, list[str]]:
    """Return the names of upstream's images that each of the lab's gets.

    >>> stand_ins(["registry.k8s.io/pause:3.10", "registry.k8s.io/etcd:3.5"])
    {'hairpin.local/pause:1': ['registry.k8s.io/pause:3.10']}
    """
    found: dict[str, list[str]] = {}
    for name in listed:
        if own := STANDS_FOR.get(name.rsplit("/", 1)[-1].partition(":")[0]):
            found.setdefault(own, []).append(name)
    return found


def _ctr(runtime: ContainerRuntime, *words: str) -> list[str]:
    """Return a command on the kubelet's images, by the client of the lab's containerd."""
    return ["env", f"PATH={runtime.path}", "ctr", "--address", SOCKET, "--namespace", "k8s.io", "images", *words]

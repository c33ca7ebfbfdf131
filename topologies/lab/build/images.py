"""The lab's images, built without a registry, and a containerd root that already has them.

`hairpin.local/agnhost:1` is agnhost with Debian's curl (and the libraries it names) and a static busybox for a shell;
`hairpin.local/pause:1` is one program of some hundred bytes. `hairpin.local/coredns:1` is CoreDNS alone, for labs with
cluster DNS. They become docker archives (`archive.py`).
`golden` imports and unpacks them once; nodes then hard-link that root and start without an import.

Source: containerd `ctr images import`; the kubelet's CRI finds what is in the namespace `k8s.io`.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from topologies.common.errors import HairpinError
from topologies.common.subprocesses import ProcessError, run
from topologies.lab.build.apt import Debian, DebianError
from topologies.lab.build.archive import Image, Link, write_archive
from topologies.lab.build.kubernetes import locked
from topologies.lab.build.long_commands import Progress, run_long
from topologies.lab.ownership import remove_leftovers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from topologies.lab.build.archive import Content
    from topologies.lab.build.binaries import Binaries
    from topologies.lab.build.container_runtime import ContainerRuntime

AGNHOST = "hairpin.local/agnhost:1"
PAUSE = "hairpin.local/pause:1"
COREDNS = "hairpin.local/coredns:1"
UNFINISHED = ".hairpin-"  # prefix of what a killed process may leave; removed by the next one
CURL = Path("/usr/bin/curl")
# Older ones are built without FEATURE_WGET_TIMEOUT: their `wget -T` writes the seconds through a null pointer.
BUSYBOX_SUITE = "trixie"
LAYOUT = 1  # increment when the same inputs give another golden root
APPLETS = (
    "[", "awk", "base64", "cat", "chmod", "cp", "cut", "date", "dd", "df", "dirname", "basename", "echo", "env",
    "expr", "false", "find", "grep", "head", "hostname", "id", "ifconfig", "ip", "kill", "ln", "ls", "mkdir",
    "mktemp", "mv", "nc", "netstat", "nslookup", "od", "ping", "printf", "ps", "pwd", "rm", "route", "sed", "seq",
    "sh", "sleep", "sort", "stat", "tail", "tee", "test", "time", "timeout", "top", "touch", "tr", "true",
    "uname", "uniq", "wc", "wget", "which", "xargs",
)  # fmt: skip
PAUSE_SOURCE = """\
/* Waits for ever, and for the children a pod's shared pid namespace may leave to it. No libc: some hundred bytes. */
static long call(long number, long a, long b, long c, long d) {
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
}
void _start(void) {
  for (;;)
    if (call(61, -1, 0, 0, 0) < 0) /* wait4 */
      call(34, 0, 0, 0, 0);        /* pause */
}
"""
GCC = (
    "gcc -static -nostdlib -ffreestanding -Os -s -fno-asynchronous-unwind-tables -Wl,-z,noseparate-code,--build-id=none"
)
IMPORT = """\
set -eu
mount -t tmpfs tmpfs /run
export TMPDIR=/run
cat > /run/containerd.toml <<END
version = 2
root = "$1"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "/run/containerd/containerd.sock"
END
shift
containerd --config /run/containerd.toml --log-level error &
daemon=$!
tries=0
until ctr version > /run/version 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 400 ] || { cat /run/version; exit 1; }
  sleep 0.05
done
for archive; do ctr --namespace k8s.io images import "$archive"; done
kill $daemon
wait $daemon || true
"""


class ImagesError(HairpinError):
    """Something that the images are built from is missing. The message has the next step."""


def golden(
    binaries: Binaries,
    runtime: ContainerRuntime,
    *,
    cache: Path,
    progress: Callable[[str], None],
    coredns: Path | None = None,
) -> Path:
    """Return a containerd root with the images unpacked, from the cache if the inputs are the same.

    Args:
        binaries: The lab's programs.
        runtime: The containerd that unpacks them: one of another version has other databases.
        cache: The cache directory.
        progress: Receives the progress.
        coredns: The program of the third image; None: a lab without cluster DNS.

    Raises:
        ImagesError: Something to build the images from is missing.
        ProcessError: A command failed.

    """
    with locked(cache / "golden.lock", progress):
        remove_leftovers(path for place in ("golden", "images") for path in (cache / place).glob(f"{UNFINISHED}*"))
        images = [pause_image(cache), agnhost_image(binaries, cache, progress)]
        images += [Image(COREDNS, "/coredns", {"coredns": coredns})] if coredns else []
        inputs = [str(LAYOUT), runtime.version, *(image.digest() for image in images)]
        place = cache / "golden" / sha256("\n".join(inputs).encode()).hexdigest()[:16]
        if not place.is_dir():
            _unpack(images, runtime, place, progress)
    return place


def clone(golden: Path, root: Path) -> None:
    """Create a node's containerd root: hard links to the layers, which nobody writes, and copies of the databases.

    On another file system than the cache's (a guest's memory) the golden root is copied there first.
    """
    root.parent.mkdir(exist_ok=True)
    if golden.stat().st_dev != root.parent.stat().st_dev:
        near = root.parent / ".golden"
        if not near.exists():
            run(["cp", "--archive", str(golden), str(near)])
        golden = near
    run(["cp", "--archive", "--link", str(golden), str(root)])
    for database in golden.rglob("*.db"):
        copy = root / database.relative_to(golden)
        copy.unlink()
        shutil.copyfile(database, copy)


def _unpack(images: Sequence[Image], runtime: ContainerRuntime, place: Path, progress: Callable[[str], None]) -> None:
    """Import the images with a containerd of its own, without network and with own mounts, then rename its root."""
    if os.geteuid():
        message = "unpacking of the lab's images: got an unprivileged user, want root. Try again with sudo"
        raise ImagesError(message)
    work = place.with_name(f"{UNFINISHED}{place.name}")
    work.mkdir(parents=True, mode=0o700)
    progress("making the lab's images")
    with TemporaryDirectory(dir=place.parent, prefix=UNFINISHED) as folder:
        archives = [write_archive(image, Path(folder) / f"{number}.tar") for number, image in enumerate(images)]
        argv = ("unshare", "--mount", "--net", "sh", "-c", IMPORT, "sh", str(work), *map(str, archives))
        log = Progress(progress, "unpacking the lab's images", place.parent.with_name("images.log"))
        run_long(argv, log, env={"PATH": runtime.path})
    work.rename(place)


def agnhost_image(binaries: Binaries, cache: Path, progress: Callable[[str], None]) -> Image:
    """Return the image of the echo pods: agnhost, curl with its libraries, busybox."""
    if not CURL.is_file():
        message = f"curl of the lab's image: {CURL}: got no such file, want curl there. Run apt-get install curl"
        raise ImagesError(message)
    files: dict[str, Content] = {
        "agnhost": binaries.path("agnhost"),
        "bin/busybox": busybox(cache, progress),
        **{f"bin/{applet}": Link("busybox") for applet in APPLETS},
        "usr/bin/curl": CURL,
        "lib": Link("usr/lib"),
        "lib64": Link("usr/lib64"),
        **{f"usr{library}": Path(library) for library in libraries(run(("ldd", str(CURL))))},
        "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n",
        "etc/group": b"root:x:0:\n",
    }
    return Image(AGNHOST, "/agnhost", files)


def pause_image(cache: Path) -> Image:
    """Return the image of the program that keeps a pod's namespaces; it is compiled once for each source."""
    if platform.machine() != "x86_64":
        message = f"pause program of the lab: got a machine of type {platform.machine()}, want x86_64"
        raise ImagesError(message)
    program = cache / "images" / f"pause-{sha256((GCC + PAUSE_SOURCE).encode()).hexdigest()[:16]}"
    if not program.exists():
        if not shutil.which("gcc"):
            message = "pause image of the lab: got no gcc, want it. Run apt-get install --no-install-recommends gcc"
            raise ImagesError(message)
        program.parent.mkdir(parents=True, exist_ok=True)
        beside = program.with_name(f"{UNFINISHED}{program.name}")
        run((*GCC.split(), "-x", "c", "-o", str(beside), "-"), stdin=PAUSE_SOURCE)
        beside.rename(program)
    return Image(PAUSE, "/pause", {"pause": program})


def busybox(cache: Path, progress: Callable[[str], None]) -> Path:
    """Return a static busybox of Debian's, fetched once into the cache; nothing is installed.

    If the machine's mirror or keyring has no BUSYBOX_SUITE, it is the one of the machine's own suite.

    Raises:
        ImagesError: Neither can be fetched.

    """
    own = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    kept = {suite: cache / "images" / f"busybox-{suite}" for suite in (BUSYBOX_SUITE, own)}
    for program in kept.values():
        if program.exists():
            return program
    try:
        return _fetch_busybox(BUSYBOX_SUITE, own, kept[BUSYBOX_SUITE], progress)
    except ImagesError:
        progress(f"the images get busybox of Debian {own}, whose `wget -T` may crash: {BUSYBOX_SUITE} is not available")
        return _fetch_busybox(own, own, kept[own], progress)


def _fetch_busybox(suite: str, own: str, program: Path, progress: Callable[[str], None]) -> Path:
    """Fetch the package busybox-static of a suite from the mirror of the machine's own suite, and keep its program."""
    program.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=program.parent, prefix=UNFINISHED) as folder:
        debian = Debian(Path(folder), suite, progress, mirror_of=own)
        try:
            debian.update()
            package = debian.download("busybox-static", Path(folder))
        except (DebianError, ProcessError) as error:
            message = f"package busybox-static of the lab's image: {error}"
            raise ImagesError(message) from error
        run(("dpkg-deb", "--extract", str(package), f"{folder}/x"))
        files = Path(folder).glob("x/**/busybox")
        next(path for path in files if path.is_file() and path.parent.name == "bin").rename(program)
    return program


def libraries(listing: str) -> list[str]:
    r"""Return the files of an `ldd` listing, with their merged-usr paths in the image.

    >>> libraries("libz.so.1 => /lib/x/libz.so.1 (0x7f)\n/lib64/ld.so.2 (0x7f)\nlinux-vdso.so.1 (0x7f)")
    ['/lib/x/libz.so.1', '/lib64/ld.so.2']
    """
    return sorted({path.removeprefix("/usr") for path in re.findall(r"(/\S+) \(0x", listing)})

"""The lab's two images, made by hand without a registry, and the containerd root that already holds them.

`hairpin.local/agnhost:1` is agnhost with Debian's curl (and the libraries it names) and a static busybox for a shell;
`hairpin.local/pause:1` is one program of some hundred bytes. Both become docker archives (`archive.py`).
`golden` imports and unpacks them once; nodes then hard-link that root and start without an import.

Errors: ImagesError (something to build them from is missing), processes.ProcessError.
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
from topologies.common.subprocesses import run
from topologies.lab.build.apt import Debian, DebianError
from topologies.lab.build.archive import Image, Link, write_archive
from topologies.lab.build.kubernetes import locked
from topologies.lab.build.long_commands import Progress, run_long
from topologies.lab.ownership import remove_leftovers

if TYPE_CHECKING:
    from collections.abc import Callable

    from topologies.lab.build.archive import Content
    from topologies.lab.build.binaries import Binaries

AGNHOST = "hairpin.local/agnhost:1"
PAUSE = "hairpin.local/pause:1"
UNFINISHED = ".hairpin-"  # how the names begin of what is removed when its maker was killed
CURL = Path("/usr/bin/curl")
LAYOUT = 1  # raise it when the golden root is made otherwise from the same inputs
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
    """Something the images are made of is missing; says what and what to do."""


def golden(binaries: Binaries, *, cache: Path, say: Callable[[str], None]) -> Path:
    """A containerd root with both images unpacked, from the cache if its inputs are the same; never half made."""
    with locked(cache / "golden.lock", say):
        remove_leftovers(path for place in ("golden", "images") for path in (cache / place).glob(f"{UNFINISHED}*"))
        images = (pause_image(cache), agnhost_image(binaries, cache, say))
        inputs = [str(LAYOUT), run(("containerd", "--version")), *(image.digest() for image in images)]
        place = cache / "golden" / sha256("\n".join(inputs).encode()).hexdigest()[:16]
        if not place.is_dir():
            _unpack(images, place, cache, say)
    return place


def clone(golden: Path, root: Path) -> None:
    """A node's containerd root: hard links of layers, never written in place; copies of the databases, which are.

    On another file system (a guest's memory) than the cache, the first node's root is a copy, linked by the others.
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


def _unpack(images: tuple[Image, ...], place: Path, cache: Path, say: Callable[[str], None]) -> None:
    """Run a containerd of its own (no network, own mounts and pids) until it has both images, then rename its root."""
    if os.geteuid():
        message = "unpacking the lab's images into a containerd root needs root"
        raise ImagesError(message)
    work = place.with_name(f"{UNFINISHED}{place.name}")
    work.mkdir(parents=True, mode=0o700)
    say("making the lab's images")
    with TemporaryDirectory(dir=place.parent, prefix=UNFINISHED) as folder:
        archives = [write_archive(image, Path(folder) / f"{number}.tar") for number, image in enumerate(images)]
        argv = ("unshare", "--mount", "--net", "sh", "-c", IMPORT, "sh", str(work), *map(str, archives))
        run_long(argv, Progress(say, "unpacking the lab's images", cache / "images.log"))
    work.rename(place)


def agnhost_image(binaries: Binaries, cache: Path, say: Callable[[str], None]) -> Image:
    """Agnhost, curl with its libraries, busybox."""
    if not CURL.is_file():
        message = f"{CURL} is missing, the lab's image takes it along: apt-get install curl"
        raise ImagesError(message)
    files: dict[str, Content] = {
        "agnhost": binaries.path("agnhost"),
        "bin/busybox": busybox(cache, say),
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
    """The program that keeps a pod's namespaces, compiled once per source."""
    if platform.machine() != "x86_64":
        message = f"the lab's pause program is written for x86_64, this machine is {platform.machine()}"
        raise ImagesError(message)
    program = cache / "images" / f"pause-{sha256((GCC + PAUSE_SOURCE).encode()).hexdigest()[:16]}"
    if not program.exists():
        if not shutil.which("gcc"):
            message = "the lab's pause image needs gcc: apt-get install --no-install-recommends gcc"
            raise ImagesError(message)
        program.parent.mkdir(parents=True, exist_ok=True)
        beside = program.with_name(f"{UNFINISHED}{program.name}")
        run((*GCC.split(), "-x", "c", "-o", str(beside), "-"), stdin=PAUSE_SOURCE)
        beside.rename(program)
    return Image(PAUSE, "/pause", {"pause": program})


def busybox(cache: Path, say: Callable[[str], None]) -> Path:
    """Debian's static busybox, fetched once into the cache (nothing is installed)."""
    program = cache / "images" / "busybox"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=program.parent, prefix=UNFINISHED) as folder:
            package = _fetch("busybox-static", Path(folder), say)
            run(("dpkg-deb", "--extract", str(package), f"{folder}/x"))
            found = next(
                path for path in Path(folder).glob("x/**/busybox") if path.is_file() and path.parent.name == "bin"
            )
            found.rename(program)
    return program


def _fetch(package: str, folder: Path, say: Callable[[str], None]) -> Path:
    debian = Debian(folder, platform.freedesktop_os_release().get("VERSION_CODENAME", ""), say)
    try:
        debian.update()
        return debian.download(package, folder)
    except DebianError as error:
        message = f"the lab's image needs {package}: {error}"
        raise ImagesError(message) from error


def libraries(listing: str) -> list[str]:
    r"""The files of an `ldd` listing, in the merged-usr places they have in the image.

    >>> libraries("libz.so.1 => /lib/x/libz.so.1 (0x7f)\n/lib64/ld.so.2 (0x7f)\nlinux-vdso.so.1 (0x7f)")
    ['/lib/x/libz.so.1', '/lib64/ld.so.2']
    """
    return sorted({path.removeprefix("/usr") for path in re.findall(r"(/\S+) \(0x", listing)})

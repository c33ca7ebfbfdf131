"""A lab's state directory: created before anything else of the lab, removed last by `down`.

Standard library only: the first process of every node imports it.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topologies.common.subprocesses import Process

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN = ("/run", "/var/run", "/var/lib", "/var/log", "/sys", "/proc", "/dev")


@dataclass(frozen=True, slots=True)
class State:
    """The directory and the paths of everything in it."""

    root: Path

    @property
    def topology(self) -> Path:
        """The topology this lab was made from, as JSON."""
        return self.root / "topology.json"

    @property
    def record(self) -> Path:
        """What `down` and the supervisor read: JSON, written first."""
        return self.root / "lab.json"

    @property
    def sandbox(self) -> Path:
        """The process that holds the sandbox: pid and start time.

        The file has the name that earlier versions gave it, because `down` removes their labs, too.
        """
        return self.root / "island.json"

    @property
    def guest(self) -> Path:
        """How the guest kernel for the workers is started. Absent if they run on the machine's kernel."""
        return self.root / "guest.json"

    @property
    def progress(self) -> Path:
        """One line for each step that the supervisor has completed."""
        return self.root / "progress"

    @property
    def failed(self) -> Path:
        """Why the lab failed to start: `message`."""
        return self.root / "failed.json"

    @property
    def ready(self) -> Path:
        """Exists when the cluster is usable."""
        return self.root / "ready"

    @property
    def api_ready(self) -> Path:
        """Exists when the Node objects are created: kubelets may start."""
        return self.root / "api-ready"

    @property
    def modes_checked(self) -> Path:
        """Exists when all kube-proxies of a guest run in the declared mode."""
        return self.root / "modes-checked"

    @property
    def prepared(self) -> Path:
        """Exists when keys, kubeconfigs and the nodes' containerd roots are written."""
        return self.root / "prepared"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.root / "pki"

    @property
    def kube(self) -> Path:
        """Kubeconfig files, `<user>.conf`."""
        return self.root / "kube"

    @property
    def ssh(self) -> Path:
        """SSH keys, known_hosts, sshd's configurations."""
        return self.root / "ssh"

    @property
    def logs(self) -> Path:
        """`<host>.<component>.log`."""
        return self.root / "logs"

    def log(self, host: str, component: str) -> Path:
        """Return the path of one daemon's log."""
        return self.logs / f"{host}.{component}.log"

    def node(self, name: str) -> Path:
        """Return the directory of a worker's configuration files, `plan.json`, `pid` and `daemons.json`."""
        return self.root / "nodes" / name

    @property
    def containers(self) -> Path:
        """The workers' containerd roots."""
        return self.root / "containerd"

    def containerd(self, name: str) -> Path:
        """Return the path of a worker's containerd root: hard links to the golden one."""
        return self.containers / name

    @property
    def process(self) -> Process | None:
        """The process that holds the sandbox, if it is alive."""
        written = read(self.sandbox)
        if not written or written.get("boot", boot_id()) != boot_id():  # pids of an earlier boot are reused
            return None
        process = Process(written["pid"], written["started"])
        return process if process.alive else None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Serialize `up` and `down` of this lab. The kernel drops a killed holder's lock; `down` leaves no file."""
        path = self.root.with_name(f"{self.root.name}.lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if path.exists() and path.stat().st_ino == os.fstat(handle).st_ino:
                break
            os.close(handle)  # the former holder removed it: try again with the new file
        try:
            yield
        finally:
            if not self.root.exists():
                path.unlink(missing_ok=True)
            os.close(handle)


@contextmanager
def record_failure(state: State) -> Iterator[None]:
    """Write an exception in the block to the state directory, for `up` to print, and its traceback to our log."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is
        write(state.failed, {"message": f"{error}" or repr(error)})
        sys.excepthook(type(error), error, error.__traceback__)


def write(path: Path, content: Any) -> None:  # noqa: ANN401 - JSON
    """Write JSON so that a reader, or a `kill -9`, sees all of it or nothing."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(content, indent=1))
    new.replace(path)


def read(path: Path) -> Any:  # noqa: ANN401 - JSON
    """Return the content of a JSON file; None if there is no file."""
    try:
        return json.loads(path.read_text())
    except OSError:
        return None


def boot_id() -> str:
    """Return the kernel's id of this boot (proc(5), /proc/sys/kernel/random/boot_id)."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def hidden(path: Path) -> str | None:
    """Return the directory above `path` that a node covers with a file system of its own; None if there is none."""
    return next((place for place in HIDDEN if path.resolve().is_relative_to(place)), None)

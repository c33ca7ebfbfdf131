"""Where a lab keeps what it knows: one directory per lab, written before anything is done, gone after `down`.

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
    """The directory, and a name for each thing in it."""

    root: Path

    @property
    def topology(self) -> Path:
        """The topology this lab was made from, as JSON."""
        return self.root / "topology.json"

    @property
    def record(self) -> Path:
        """What `down` needs and the supervisor starts from: JSON, written first of all."""
        return self.root / "lab.json"

    @property
    def sandbox(self) -> Path:
        """The process that holds the sandbox: pid and start time."""
        return self.root / "island.json"

    @property
    def guest(self) -> Path:
        """How the guest that holds the workers is started; absent where the machine's own kernel holds them."""
        return self.root / "guest.json"

    @property
    def progress(self) -> Path:
        """One line per step the supervisor has done."""
        return self.root / "progress"

    @property
    def failed(self) -> Path:
        """Why the supervisor gave up: `message` and `log`."""
        return self.root / "failed.json"

    @property
    def ready(self) -> Path:
        """Exists when the cluster is usable."""
        return self.root / "ready"

    @property
    def api_ready(self) -> Path:
        """Exists when the Node objects are made: kubelets may start."""
        return self.root / "api-ready"

    @property
    def modes_told(self) -> Path:
        """Exists when a guest's kube-proxies have told the right mode."""
        return self.root / "modes-told"

    @property
    def prepared(self) -> Path:
        """Exists when keys, kubeconfigs and the nodes' containerd roots are made."""
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
        """The log of one daemon."""
        return self.logs / f"{host}.{component}.log"

    def node(self, name: str) -> Path:
        """Configuration files of a worker and its `plan.json`, `pid` and `daemons.json`."""
        return self.root / "nodes" / name

    @property
    def containers(self) -> Path:
        """The workers' containerd roots."""
        return self.root / "containerd"

    def containerd(self, name: str) -> Path:
        """A worker's containerd root: hard links of the golden one."""
        return self.containers / name

    @property
    def process(self) -> Process | None:
        """The process that holds the sandbox, if it lives."""
        written = read(self.sandbox)
        if not written or written.get("boot", boot_id()) != boot_id():  # pids of an earlier boot are others' now
            return None
        process = Process(written["pid"], written["started"])
        return process if process.alive else None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One `up` or `down` of this lab at a time; the lock dies with its holder and leaves no file after `down`."""
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
def told(state: State) -> Iterator[None]:
    """What goes wrong meanwhile is written down, since `up` has to tell it, and its whole story goes to our log."""
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
    """The JSON of a file; None if there is none."""
    try:
        return json.loads(path.read_text())
    except OSError:
        return None


def boot_id() -> str:
    """Return the kernel's id of this boot (proc(5), /proc/sys/kernel/random/boot_id)."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def hidden(path: Path) -> str | None:
    """The directory that a node puts its own file system over and that `path` would be hidden by; None if none."""
    return next((place for place in HIDDEN if path.resolve().is_relative_to(place)), None)

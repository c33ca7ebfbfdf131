"""The Go that builds modules, its version, its registry, and what its errors mean for the user.

Source: messages of cmd/go of Go 1.19 to 1.26, as observed.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple, Self

from topologies.common.subprocesses import run
from topologies.lab.build.kubernetes import BuildError, describe_full_disk

# What decides where modules come from and how they are verified; all other settings of Go are ours.
REGISTRY = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GONOPROXY", "GOINSECURE", "GOAUTH")
REFUSED = re.compile(
    r"(?P<module>\S+)@(?P<version>v\S+?): .*?(?:4\d\d \w+|not found|unknown revision|invalid version|no matching)",
    re.DOTALL,
)
NETWORK = re.compile(r"dial tcp|no such host|connection refused|i/o timeout|network is unreachable|TLS handshake")


class GoVersion(NamedTuple):
    """A version of Go: 1.26 is (1, 26)."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `go1.26.8` or `1.24.0`.

        Raises:
            BuildError: It is another text.

        """
        if not (found := re.match(r"(?:go)?(\d+)\.(\d+)", text)):
            message = f"version of Go: got {text!r}, want one such as go1.26.8. Install a released Go"
            raise BuildError(message)
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def required(cls, go_mod: str) -> Self:
        """Return the version that a go.mod requires."""
        found = re.search(r"(?m)^go (\S+)", go_mod)
        return cls.parse(found[1]) if found else cls(1, 16)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


def find_go() -> Path:
    """Return the Go that is first in PATH.

    Raises:
        BuildError: There is none.

    """
    if not (found := shutil.which("go")):
        message = (
            "build from Go modules: got no `go` in PATH, want Go 1.26 or newer. Install it, or give --kubernetes-bin"
        )
        raise BuildError(message)
    return Path(found).resolve()


def check_version(go: Path, required: GoVersion) -> None:
    """Raise BuildError unless this Go is at least the required one."""
    got = run((str(go), "env", "GOVERSION")).strip()
    if GoVersion.parse(got) < required:
        message = f"{go}: got {got}, want Go {required} or newer. Put a newer Go first in PATH"
        raise BuildError(message)


def registry_settings() -> dict[str, str]:
    """Return the user's settings of Go that decide where modules come from."""
    return {name: os.environ[name] for name in REGISTRY if name in os.environ}


def explain(output: str, work: Path) -> BuildError:
    """Return the error that a failed command of Go means."""
    if full := describe_full_disk(output, work):
        message = full
    elif "checksum mismatch" in output or "SECURITY ERROR" in output:
        message = (
            f"checksums of modules: got others than those known. Nothing was built from them. See {work}/build.log"
        )
    elif NETWORK.search(output):
        message = f"the module registry (GOPROXY) does not answer:\n{output}"
    elif found := REFUSED.search(output):
        message = (
            f"the module registry does not serve {found['module']} {found['version']}. Choose another version; "
            "`go list -m -versions k8s.io/kubernetes` lists known ones"
        )
    else:
        message = output
    return BuildError(message)

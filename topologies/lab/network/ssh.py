"""sshd on the nodes and the external hosts: public keys only, with host keys of the lab.

SHLVL: a bash that sshd starts would read this machine's ~/.bashrc, for every command (shell.c run_startup_files).
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from topologies.common.addresses import IPAddress
    from topologies.lab.state import State
    from topologies.schema.topology import Topology

CONFIG = """\
Port {port}
ListenAddress {address}
HostKey {directory}/host-{name}
AuthorizedKeysFile {directory}/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
StrictModes no
PidFile none
PrintMotd no
PrintLastLog no
MaxStartups 200
MaxSessions 200
AcceptEnv *
SetEnv TMPDIR=/run/tmp SHLVL=1
Subsystem sftp internal-sftp
"""


def hosts(topology: Topology) -> dict[str, tuple[IPAddress, int]]:
    """Return address and port of every host with an sshd, by name."""
    nodes = {node.name: (node.address, node.ssh.port if node.ssh else 22) for node in topology.nodes}
    return {**nodes, **{external.name: (external.address, external.ssh.port) for external in topology.external}}


def write_config(topology: Topology, state: State) -> None:
    """Write `sshd-<host>.conf` for each of them."""
    for name, (address, port) in hosts(topology).items():
        text = CONFIG.format(port=port, address=address, name=name, directory=state.ssh)
        (state.ssh / f"sshd-{name}.conf").write_text(text)


def client(topology: Topology, state: State, name: str, argv: Sequence[str], *, terminal: bool) -> list[str]:
    """Return the command that runs `argv` on a host, from another host, in our directory, with our environment."""
    address, port = hosts(topology)[name]
    options = {
        "IdentityFile": state.ssh / "id_ed25519",
        "IdentityAgent": "none",  # the keys of an agent are tried first, and sshd grants six
        "UserKnownHostsFile": state.ssh / "known_hosts",
        "GlobalKnownHostsFile": "/dev/null",
        "BatchMode": "yes",
        "LogLevel": "ERROR",
        "SendEnv": "*",
        "RequestTTY": "force" if terminal else "no",
    }
    flags = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    words = f"cd {shlex.quote(str(Path.cwd()))} && exec {shlex.join(argv)}"
    return ["ssh", "-F", "none", *flags, "-p", str(port), f"root@{address}", words]


def server(state: State, name: str) -> list[str]:
    """Return the command of a host's sshd, which requires /run/sshd."""
    return ["/usr/sbin/sshd", "-D", "-e", "-f", str(state.ssh / f"sshd-{name}.conf")]

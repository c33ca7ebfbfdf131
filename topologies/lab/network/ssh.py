"""sshd on the nodes and the external hosts: keys only, host keys of the lab's own making.

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
    """Every host with an sshd: its address and port."""
    nodes = {node.name: (node.address, node.ssh.port if node.ssh else 22) for node in topology.nodes}
    return {**nodes, **{external.name: (external.address, external.ssh.port) for external in topology.external}}


def write_config(topology: Topology, state: State) -> None:
    """One `sshd-<host>.conf` each."""
    for name, (address, port) in hosts(topology).items():
        text = CONFIG.format(port=port, address=address, name=name, directory=state.ssh)
        (state.ssh / f"sshd-{name}.conf").write_text(text)


def client(topology: Topology, state: State, name: str, argv: Sequence[str], *, terminal: bool) -> list[str]:
    """The command that runs `argv` there from a host of the lab, in our directory and with our environment."""
    address, port = hosts(topology)[name]
    options = {
        "IdentityFile": state.ssh / "id_ed25519",
        "UserKnownHostsFile": state.ssh / "known_hosts",
        "BatchMode": "yes",
        "LogLevel": "ERROR",
        "SendEnv": "*",
        "RequestTTY": "force" if terminal else "no",
    }
    told = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    words = f"cd {shlex.quote(str(Path.cwd()))} && exec {shlex.join(argv)}"
    return ["ssh", "-F", "none", *told, "-p", str(port), f"root@{address}", words]


def server(state: State, name: str) -> list[str]:
    """The command that serves one host; needs /run/sshd."""
    return ["/usr/sbin/sshd", "-D", "-e", "-f", str(state.ssh / f"sshd-{name}.conf")]

"""Write a static token for each component and node, and the kubeconfig that has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from topologies.lab.network import plan

if TYPE_CHECKING:
    from topologies.lab.state import State
    from topologies.schema.topology import Topology

USERS = {
    "admin": ("admin", "system:masters"),
    "kcm": (
        "system:kube-controller-manager",
        "system:masters",
    ),  # its own role does not suffice without an account for each controller
    "scheduler": ("system:kube-scheduler", ""),
    "proxy": ("system:kube-proxy", ""),
    "balancer": ("hairpin:load-balancer", "system:masters"),
}
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: lab
clusters:
- name: lab
  cluster: {{server: "https://{address}:6443", certificate-authority: "{authority}"}}
users:
- name: {user}
  user: {{token: {token}}}
contexts:
- name: lab
  context: {{cluster: lab, user: {user}}}
"""


def token(user: str) -> str:
    """Return the static token of a user. It is no secret: the API server is only reachable inside the sandbox."""
    return f"token-{user}"


def write_access(topology: Topology, state: State) -> None:
    """Write `tokens.csv`, a kubeconfig for each component and node, and `admin.conf` for users."""
    nodes = {node.name: (f"system:node:{node.api_name}", "system:nodes") for node in topology.nodes}
    rows = [f"{token(key)},{name},{key},{group}" for key, (name, group) in {**USERS, **nodes}.items()]
    state.kube.mkdir(exist_ok=True)
    (state.pki / "tokens.csv").write_text("\n".join(row.removesuffix(",") for row in rows) + "\n")
    for user in (*USERS, *nodes):
        text = KUBECONFIG.format(
            address=plan.control_plane(topology), authority=state.pki / "ca.crt", user=user, token=token(user)
        )
        (state.kube / f"{user}.conf").write_text(text)

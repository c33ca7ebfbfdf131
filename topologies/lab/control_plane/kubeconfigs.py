"""Who may talk to the API server: a static token for each component and node, and a kubeconfig that holds it."""

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
    ),  # its own role is too small without per-controller accounts
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
    """The static token of a user of this lab; no secret, since nobody outside the sandbox reaches the API server."""
    return f"token-{user}"


def write_access(topology: Topology, state: State) -> None:
    """`tokens.csv` and one kubeconfig per component, per node, and `admin.conf` for people."""
    nodes = {node.name: (f"system:node:{node.name}", "system:nodes") for node in topology.nodes}
    rows = [f"{token(key)},{name},{key},{group}" for key, (name, group) in {**USERS, **nodes}.items()]
    state.kube.mkdir(exist_ok=True)
    (state.pki / "tokens.csv").write_text("\n".join(row.removesuffix(",") for row in rows) + "\n")
    for user in (*USERS, *nodes):
        text = KUBECONFIG.format(
            address=plan.control_plane(topology), authority=state.pki / "ca.crt", user=user, token=token(user)
        )
        (state.kube / f"{user}.conf").write_text(text)

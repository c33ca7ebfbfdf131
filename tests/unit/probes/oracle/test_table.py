"""externalTrafficPolicy: Local with one pod on n2, in iptables mode with detect-local, on three kinds of network."""

from __future__ import annotations

from functools import cache

import pytest

from probes.observation import Outcome
from probes.oracle.address_names import AddressNames
from probes.oracle.predict import predict
from probes.plan.cell import Cell
from tests.unit.support.observed_world import CLIENTS, snapshot_like, world_of
from topologies.frontends import Frontend, FrontendKind
from topologies.schema.topology import Vantage

F = {"kind": "flannel-vxlan"}
O = {"kind": "flannel-vxlan", "masquerade": False}  # noqa: E741 - O for an overlay without masquerade
R = {"kind": "routed"}
N1, N2, N3, ANY = "primary of n1", "primary of n2", "primary of n3", "timeout"
TABLE = [
    # network, client, source or outcome at the NodePorts of n1, n2 and n3, and at the load balancer IP
    (F, "n1", "vtep of n1", N1, ANY, "vtep of n1"),
    (O, "n1", "vtep of n1", N1, ANY, "vtep of n1"),
    (R, "n1", N1, N1, ANY, N1),
    (R, "n2", ANY, "cni0 of n2", ANY, "cni0 of n2"),
    (F, "c1", "c1", N1, ANY, "c1"),
    (O, "c1", "c1", "c1", ANY, "c1"),
    (R, "c1", "c1", "c1", ANY, "c1"),
    (F, "c2", ANY, "c2", ANY, "c2"),
    (O, "c2", ANY, "c2", ANY, "c2"),
    (R, "c2", ANY, "c2", ANY, "c2"),
    (F, "b", ANY, "cni0 of n2", ANY, "cni0 of n2"),
    (O, "b", "vtep of n1", "cni0 of n2", "vtep of n3", "cni0 of n2"),
    (R, "b", N1, "cni0 of n2", N3, "cni0 of n2"),
    (R, "ext", ANY, "ext", ANY, "ext"),
]


@cache
def _result(kind: str, masquerade: bool | None, client: str, label: str, minor: int) -> str:
    cni = {"kind": kind} if masquerade is None else {"kind": kind, "masquerade": masquerade}
    there = world_of(f"1.{minor}.0", cni)
    frontend = (
        Frontend("pod-l", FrontendKind.LOAD_BALANCER)
        if label == "LB"
        else Frontend("pod-l", FrontendKind.NODE_PORT, node=label)
    )
    cell = Cell(Vantage.model_validate({"name": client, **CLIENTS[client]}), frontend)
    (path,) = predict(there, cell).paths
    if path.outcome is not Outcome.OK:
        return path.outcome.value
    (source,) = path.sources
    return AddressNames.of(there.topology, snapshot_like()).describe(source).partition("(")[2].rstrip(")")


@pytest.mark.parametrize("minor", [20, 23, 24, 36])
@pytest.mark.parametrize(("cni", "client", "n1", "n2", "n3", "balancer"), TABLE)
def test_the_compact_table_holds(  # noqa: PLR0913 - one argument per column
    minor: int, cni: dict[str, object], client: str, n1: str, n2: str, n3: str, balancer: str
) -> None:
    kind, masquerade = str(cni["kind"]), False if "masquerade" in cni else None
    expected = [_result(kind, masquerade, client, label, minor) for label in ("n1", "n2", "n3", "LB")]
    assert expected == [n1, n2, n3, balancer]

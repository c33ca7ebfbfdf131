"""A NodePort's column has the other nodes with a ready endpoint, with another endpoint, and with none."""

from __future__ import annotations

from reports.columns import Places
from reports.records.prediction import Prediction
from topologies.loading.load import load

TOPOLOGY = load("lab-endpoint-states")
PLACES = Places.of(TOPOLOGY.model_dump(mode="json"))


def _columns(service: str, client: str) -> dict[str, str]:
    cells = [one.cell for one in Prediction.of(TOPOLOGY).cells]
    chosen = [one for one in cells if one.service == service and one.vantage == client]
    return {one.frontend: PLACES.column(one) for one in chosen if one.frontend.startswith("nodeport.n")}


def test_a_node_whose_endpoints_are_not_ready_has_a_column_of_its_own() -> None:
    assert _columns("mix-lb-local", "ext-e1") == {
        "nodeport.n1": "nodeport.other with",
        "nodeport.n2": "nodeport.other not ready",
        "nodeport.n3": "nodeport.other without",
    }
    assert _columns("down-np-published", "ext-e1") == {
        "nodeport.n1": "nodeport.other with",
        "nodeport.n2": "nodeport.other without",
    }


def test_the_description_of_a_service_has_the_states_of_its_backends() -> None:
    assert PLACES.abouts["mix"] == "ClusterIP, mix-a on n1, mix-b on n2 (terminating)"
    assert PLACES.abouts["over-np-published"] == (
        "NodePort, externalTrafficPolicy Cluster, publishNotReadyAddresses, over-a on n1 (terminating-unready)"
    )


def test_a_run_of_a_version_without_states_has_ready_endpoints() -> None:
    declared = load("lab-flannel").model_dump(mode="json")
    for backend in declared["workload"]["backends"]:
        del backend["state"]
    places = Places.of(declared)
    assert not any(places.unready_nodes.values())
    assert places.abouts["web"] == "ClusterIP, web-a on n1, web-b on n2"

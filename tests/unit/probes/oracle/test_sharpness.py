"""How sharp an expectation is, and which unknown facts would sharpen it."""

from __future__ import annotations

from probes.observation import Outcome
from probes.oracle.expectation import Alternative, Expectation, Path
from probes.oracle.predict import model_cluster, predict
from probes.oracle.sharpness import count_results, sharpening_facts
from probes.plan.plan import plan
from reports.records.prediction import Prediction
from reports.records.sharpness import Sharpness
from topologies.cluster_state.snapshot import declared
from topologies.loading.overrides import declared as load_with

OK = Expectation((Path(Outcome.OK, backend="web-a"),), (), "")
SILENT = Expectation((Path(Outcome.TIMEOUT),), (), "")


def test_a_fact_that_leaves_every_result_possible_does_not_sharpen() -> None:
    """`b` divides the results of one value of `a` only; `c` was read and changes nothing."""
    either = Expectation(
        (*OK.paths, *SILENT.paths),
        (),
        "",
        alternatives=(
            Alternative(OK, ((("a", (1,)), ("b", (1,)), ("c", (1,))), (("a", (1,)), ("b", (1,)), ("c", (2,))))),
            Alternative(SILENT, ((("a", (1,)), ("b", (2,))), (("a", (2,)), ("c", (1,))), (("a", (2,)), ("c", (2,))))),
        ),
    )

    assert count_results(either) == 2
    assert sharpening_facts(either) == ("a", "b")


def test_a_sharp_expectation_depends_on_nothing() -> None:
    assert (count_results(OK), sharpening_facts(OK)) == (1, ())
    assert count_results(Expectation((), (), "nothing can be expected")) == 0


def test_the_facts_of_a_cell_are_those_that_change_its_result() -> None:
    topology = load_with("lab-flannel", {"cni.masquerade": "unknown", "kernel.hairpin": "unknown"})
    cluster = model_cluster(topology, declared(topology))
    cells = {cell.id: cell for cell in plan(topology).cells}

    def named(cell: str) -> tuple[str, ...]:
        return sharpening_facts(predict(cluster, cells[cell]))

    assert named("pod-n3-to-web-np-local.nodeport.n1-v4-tcp") == ("cni.masquerade",)
    assert named("self-web-a-to-web.clusterip-v4-tcp") == ("kernel.hairpin",)
    assert named("ext-e1-to-web-np.nodeport.n1-v4-tcp") == ()


def test_an_address_that_is_not_known_names_the_range_of_its_node() -> None:
    topology = load_with("lab-flannel", {"nodes.n1.pod_cidr": "unknown"})
    cluster = model_cluster(topology, declared(topology))
    cell = next(one for one in plan(topology).cells if one.id == "ext-e1-to-web-np.nodeport.n1-v4-tcp")

    assert sharpening_facts(predict(cluster, cell)) == ("nodes.n1.pod_cidr",)


def test_a_prediction_names_the_facts_that_would_sharpen_it() -> None:
    topology = load_with("lab-small", {"cni.masquerade": "unknown", "kernel.rp_filter": "unknown"})
    sharpness = Prediction.of(topology).sharpness

    assert sharpness.cells == len(plan(topology).cells)
    assert 0 < sharpness.sharp < sharpness.cells
    assert [one.path for one in sharpness.facts] == ["cni.masquerade", "kernel.rp_filter"]
    assert f"cni.masquerade (if known, sharpens {sharpness.facts[0].cells} cells)" in str(sharpness)
    assert str(Prediction.of(load_with("lab-small", {})).sharpness) == ""
    assert Sharpness().model_dump() == {"cells": 0, "sharp": 0, "facts": ()}

"""The format of recordings: what a file may contain, and one clear error for everything else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from probes.oracle.environment import Environment
from probes.oracle.predict import predict
from tests.confirmed import by_recordings
from tests.unit.probes.oracle.recordings import FLAGS, HEADER, NETWORKS, Recording, RecordingError, read
from tests.unit.probes.oracle.test_observed import held_against_the_oracle
from tests.unit.support.observed_world import NAMES, recorded, topology, world

if TYPE_CHECKING:
    from pathlib import Path

HEADER_LINE = {"version": "1.24.3", "mode": "ipvs", "network": "flannel"}
CELL = {"service": "pod-c", "client": "c1", "target": "ClusterIP", "outcome": "ok", "source": "10.244.1.20"}
CELL |= {"backend_name": "pod-b"}


def dropped(folder: Path, *lines: dict[str, Any], noise: dict[str, Any] | None = None) -> Recording:
    (folder / "new.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    if noise:
        (folder / "noise.json").write_text(json.dumps({"new": noise}))
    return read("new", folder)


@pytest.mark.parametrize(
    "lines",
    [
        [{"header": HEADER_LINE}, CELL],
        [HEADER_LINE, CELL],
        [{"header": {"version": "1.24.3", "mode": "ipvs", "cni": "flannel"}}, CELL],
        [{**HEADER_LINE, **CELL}],
        [
            {
                "version": "1.24.3",
                "mode": "ipvs",
                "cni": "flannel",
                "cluster_cidr": True,
                "variant": "",
                **CELL,
                "tries": 3,
            }
        ],
        [{"header": {"mode": "ipvs"}}, {"version": "1.24.3", "cni": "flannel", **CELL}],
    ],
)
def test_a_kube_proxy_is_named_in_a_header_or_on_every_line(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    found = dropped(tmp_path, *lines)
    assert found.title == "ipvs 1.24.3 flannel"
    assert held_against_the_oracle(found) == ({}, {})
    assert len(list(recorded(found))) == 1


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"variant": "strict"}, {"strict": True}),
        ({"variant": "rp_filter=1"}, {"strict": True}),
        ({"rp_filter": 1}, {"strict": True}),
        ({"variant": "rpf1+no-kubelet"}, {"strict": True, "kubelet_drops_marked": False}),
        ({"variant": "masq-all, no_kubelet"}, {"masquerade_all": True, "kubelet_drops_martians": False}),
        ({"variant": "any name", "masquerade_all": True}, {"masquerade_all": True, "strict": False}),
        ({"variant": "bridge_nf_call_iptables=false"}, {"bridge_nf_call_iptables": False}),
        ({"variant": "no-hairpin"}, {"hairpin": False}),
        ({"cluster_cidr": False}, {"detect_local": "none"}),
        ({"detect_local": "NodeCIDR"}, {"detect_local": "NodeCIDR"}),
        ({"anti_spoof": True, "network": "overlay"}, {"anti_spoof": True}),
        ({"masquerade": "egress", "network": "tunnel"}, {"masquerades_leaving": True}),
        ({"external_routes_to_pods": True}, {"external_routes_to_pods": True}),
    ],
)
def test_flags_and_variants_of_a_header_are_the_worlds(
    tmp_path: Path, header: dict[str, Any], expected: dict[str, Any]
) -> None:
    environment = Environment.of(topology(dropped(tmp_path, {"header": {**HEADER_LINE, **header}}, CELL)))
    assert {key: getattr(environment, key) for key in expected} == expected


def test_node_port_addresses_and_source_ranges_of_a_header_are_the_worlds(tmp_path: Path) -> None:
    header: dict[str, Any] = {**HEADER_LINE, "version": "1.30.3", "node_port_addresses": ["198.18.1.0/24"]}
    header |= {"load_balancer_source_ranges": {"pod-c": ["198.18.9.0/24"]}}
    closed = {"service": "pod-c", "client": "n1", "target": "NodePort@own-cni0", "outcome": "refused"}
    fenced = {"service": "pod-c", "client": "n1", "target": "LB", "outcome": "timeout"}

    found = dropped(tmp_path, {"header": header}, closed, fenced)

    assert held_against_the_oracle(found) == ({}, {})
    rules = [predict(world(found), one.cell).rules[-1] for one in recorded(found)]
    assert rules == ["R7.9", "F7"]


@pytest.mark.parametrize("network", [*NETWORKS, "vpc-routed", "flannel-vxlan"])
@pytest.mark.parametrize("mode", ["iptables", "ipvs", "nftables"])
@pytest.mark.parametrize("variant", ["", "strict", "no-kubelet", "masquerade-all"])
def test_what_the_oracle_says_of_any_world_can_be_dropped_in(
    tmp_path: Path, network: str, mode: str, variant: str
) -> None:
    """Write a world to a file and read it again. Its cells agree, so no value is lost."""
    header = {"version": "1.30.3", "mode": mode, "network": network, "variant": variant}
    clients = ("n1", "c1", "b", "ext")
    asked = [
        {"service": service, "client": client, "target": target, "outcome": "ok"}
        for service in ("pod-l", "host-c", "noep-c")
        for client in clients
        for target in ("ClusterIP", "NodePort@n2", "LB")
    ]
    first = dropped(tmp_path, {"header": header}, *asked)
    there = world(first)
    rows = [line_of(one, predict(there, one.cell)) for one in recorded(first)]
    read.cache_clear()

    again = dropped(tmp_path, {"header": header}, *rows)

    assert held_against_the_oracle(again) == ({}, {})


def line_of(one: Any, expectation: Any) -> dict[str, Any]:
    row = {"service": one.id.split()[0], "target": one.id.split()[1], "client": one.id.split()[3]}
    row["outcome"] = "|".join(sorted(expectation.outcomes))
    for path in expectation.paths:
        if path.sources:
            row["source"] = str(next(iter(path.sources)))
            row["backend_name"] = next(name for name, backend in NAMES.items() if backend == path.backend)
    return row


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            [{"header": {**HEADER_LINE, "masq": True}}, CELL],
            "header: got masq, want only about, allow_external_ips, anti_spoof",
        ),
        ([{"header": {**HEADER_LINE, "variant": "odd"}}, CELL], "variant: got 'odd', want one of strict, no-kubelet"),
        ([{"header": {**HEADER_LINE, "network": "calico"}}, CELL], "network: got 'calico', want one of flannel"),
        ([{"header": {"version": "1.24.3", "network": "eni"}}, CELL], "header: got no mode, want them in the header"),
        ([HEADER_LINE | CELL, HEADER_LINE | CELL | {"mode": "iptables"}], "line 2, mode: got 'iptables', want 'ipvs'"),
        ([HEADER_LINE | CELL, HEADER_LINE], "line 2: got no service, client, target, outcome"),
        ([{"header": HEADER_LINE}], "the file: got a header alone, want one line of JSON a cell"),
        (
            [{"header": {**HEADER_LINE, "noise": {"pod-c LB from c9": "x"}}}, CELL],
            "noise: got pod-c LB from c9",
        ),
        ([{"header": {**HEADER_LINE, "noise": {"pod-c ClusterIP from c1": ""}}}, CELL], "got no reason, want a reason"),
    ],
)
def test_what_a_file_may_not_say_is_one_clear_error(tmp_path: Path, lines: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(RecordingError) as error:
        dropped(tmp_path, *lines)
    assert str(error.value).startswith("cannot read a recording: new.jsonl, ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"client": "c9"}, "client: got 'c9', want one of b, c1"),
        ({"service": "web"}, "service: got 'web', want one of host-c"),
        ({"target": "NodePort@n9"}, "target: got 'NodePort@n9', want one of ClusterIP"),
        ({"outcome": "ok|fine"}, "outcome: got 'fine', want one of hang"),
        ({"backend_name": "web-a"}, "backend_name: got 'web-a', want one of REAL-LB"),
    ],
)
def test_a_cell_that_this_world_has_not_is_one_clear_error(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecordingError, match=r"cannot read a recording: new.jsonl, .*: got ") as error:
        list(recorded(dropped(tmp_path, {"header": HEADER_LINE}, CELL | change)))
    assert message in str(error.value)


def test_a_value_that_no_topology_has_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"new.jsonl, header, proxy.mode: got 'bpf', want another value"):
        topology(dropped(tmp_path, {"header": {**HEADER_LINE, "mode": "bpf"}}, CELL))


@pytest.mark.parametrize("text", ["{", "[]", "no json", '"text"'])
def test_a_torn_line_is_one_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "new.jsonl").write_text(json.dumps({"header": HEADER_LINE}) + "\n" + text + "\n")
    with pytest.raises(RecordingError, match=r"new.jsonl, line 2: got .*, want a JSON object"):
        read("new", tmp_path)


def test_an_empty_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="got nothing, want one line of JSON a cell"):
        dropped(tmp_path)


def test_known_noise_may_stand_beside_the_files_and_in_a_header(tmp_path: Path) -> None:
    cell, reason = "pod-c ClusterIP from c1", "one of three tries hung"
    beside = dropped(tmp_path, {"header": HEADER_LINE}, CELL | {"outcome": "hang"}, noise={cell: reason})
    assert beside.noise == {cell: reason}


def test_a_cell_whose_tries_disagree_is_neither_right_nor_wrong(tmp_path: Path) -> None:
    mixed, wrong = CELL | {"outcome": "ok|hang"}, CELL | {"client": "c3", "outcome": "hang"}
    disagreeing, disturbed = held_against_the_oracle(dropped(tmp_path, {"header": HEADER_LINE}, mixed, wrong))
    assert list(disagreeing) == ["pod-c ClusterIP from c3"]
    assert list(disturbed) == ["pod-c ClusterIP from c1"]


def test_a_new_file_confirms_nothing_until_confirmed_json_is_made_anew() -> None:
    """A new file must not break the test that compares confirmed.json with the files it was made from."""
    assert by_recordings(["1.20.2-ipvs-routed-cc"])["files"] == ["1.20.2-ipvs-routed-cc"]


def test_every_flag_is_a_key_of_a_header() -> None:
    assert FLAGS.keys() <= HEADER

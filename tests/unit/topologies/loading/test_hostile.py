"""Files that were a traceback, a hang or gigabytes: now one TopologyError, at once."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.bounds import in_time
from topologies.loading.load import TopologyError, load, parse
from topologies.schema import limits

if TYPE_CHECKING:
    from pathlib import Path

PATIENT_S = 30  # a hang takes longer, also on a machine busy with other tests
GOOD = """
name: mine
kubernetes: "1.31.3"
nodes: 2
cni: {kind: flannel-vxlan}
"""
LB = """workload:
  backends: []
  services: [{name: lb, app: a, type: LoadBalancer}]
  vantages: [{name: x, kind: pod, node: n1}]
"""
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
)


def refusal(text: str) -> str:
    with in_time(PATIENT_S), pytest.raises(TopologyError) as caught:
        parse(text, "mine.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param(BOMB, f"more than {limits.VALUES} values, aliases expanded", id="anchor bomb"),
        pytest.param("a: &a [*a]", "line 1, column 8: got *a, which is not complete here", id="alias of itself"),
        pytest.param("- a\n" * 200_000, f"got more than {limits.VALUES} values", id="a million entries"),
        pytest.param("[" * 100_000, f"got more than {limits.DEPTH} levels of nesting", id="deep nesting"),
        pytest.param("nodes: 3000000000", "nodes: got 3000000000, want a number from 1 to 200", id="nodes by number"),
        pytest.param(f"nodes: {'9' * 4000}", "nodes: got 9999", id="4,000 digits"),
        pytest.param(
            f"nodes: {'9' * 5000}",
            f"got a value of 5000 characters, want at most {limits.SCALAR_CHARACTERS}",
            id="5,000 digits",
        ),
        pytest.param(
            "a: !!python/object/apply:os.system [ls]", "got the tag tag:yaml.org,2002:python", id="python tag"
        ),
        pytest.param("a: !!timestamp 2026-13-45", "got the tag tag:yaml.org,2002:timestamp", id="timestamp tag"),
        pytest.param("a: 1\n---\nb: 1", "line 2, column 1: got more than 1 YAML document", id="several documents"),
        pytest.param("a:\n\tb: 1", "line 2, column 1: got a YAML syntax error (a tab), want spaces", id="tab"),
        pytest.param("a: \x00", "line 1: got the control character U+0000", id="NUL"),
        pytest.param('a: "\\e[2J"', "line 1, column 4: got the character U+001B", id="escape sequence"),
        pytest.param('a: "\\ud800"', "got a YAML syntax error", id="lone surrogate"),
        pytest.param(
            "1: a\n[x]: b\nyes: c", "line 2: got the key that is a list or a mapping", id="keys that are not text"
        ),
        pytest.param("a: {<<: 5}", "got a YAML syntax error", id="merge of a number"),
        pytest.param("", "top level: got nothing, want a mapping", id="empty"),
        pytest.param("# nothing", "top level: got nothing, want a mapping", id="only a comment"),
        pytest.param(
            GOOD + "external:",
            "external: got nothing, want a list of at most 100; [] if there is none",
            id="external empty",
        ),
        pytest.param(
            GOOD + "service_cidr: 10.96.0.0/28\n" + LB,
            "service_cidr: got 10.96.0.0/28, want a range of at least 52",
            id="small service_cidr",
        ),
        pytest.param(
            GOOD + "load_balancer: {kind: inline, addresses: 198.18.100.0/30}",
            "load_balancer.addresses: got 198.18.100.0/30 with 2 usable addresses, want at least 6",
            id="small pool",
        ),
        pytest.param(
            GOOD.replace("nodes: 2", "nodes: [{name: a, address: 192.0.2.1, pod_cidr: 10.244.1.0/30}]"),
            "nodes[0].pod_cidr: got 10.244.1.0/30, want a range of at least 5 addresses: 2 pods of the workload",
            id="small pod_cidr",
        ),
        pytest.param(
            GOOD + "patience: {connect: .nan, settle: .inf}",
            "patience.connect: got nan, want a number greater than 0",
            id="NaN",
        ),
        pytest.param(
            GOOD + "deviations: [{cells: x, outcome: ok, reason: r, expires: 2026-13-45}]",
            "expires: got '2026-13-45', want a day that exists",
            id="impossible date",
        ),
        pytest.param(
            GOOD + "deviations: [{cells: x, outcome: ok, reason: r, expires: 20270331}]",
            "expires: got 20270331, want a day",
            id="date as a number",
        ),
        pytest.param(
            GOOD + "deviations: [{cells: x, outcome: red, reason: r, expires: 2027-03-31}]",
            "outcome: got 'red', want one of ok, refused",
            id="no outcome",
        ),
        pytest.param(
            GOOD + "deviations: [{cells: x, outcome: ok, reason: r, expires: 2027-03-31, sources: [me]}]",
            "sources[0]: got 'me', want an IPv4",
            id="no source",
        ),
        pytest.param(
            GOOD + "proxy: {node_port_addresses: [10.0.0.1/8]}",
            "got '10.0.0.1/8', want the first address of the range: 10.0.0.0/8",
            id="host bits",
        ),
        pytest.param(
            GOOD + "service_cidr: 10.96.0.0",
            "service_cidr: got '10.96.0.0', want an IPv4 range in CIDR form",
            id="no prefix",
        ),
        pytest.param(
            GOOD + "control_plane: 3221225985",
            "control_plane: got 3221225985, want an IPv4 address",
            id="address as a number",
        ),
        pytest.param(
            GOOD + "kernel: {rp_filter: true}",
            "kernel.rp_filter: got true, want a whole number from 0 to 2",
            id="boolean as a number",
        ),
    ],
)
def test_a_hostile_text_is_one_error(text: str, wanted: str) -> None:
    assert wanted in refusal(text)


def test_every_duplicate_key_is_told_with_both_lines() -> None:
    message = refusal(GOOD + "name: other\nproxy: {mode: ipvs, mode: iptables}\n")

    assert "line 6: got the key 'name' twice, first in line 2, want each key once" in message
    assert "line 7: got the key 'mode' twice, first in line 7" in message


def test_merge_keys_and_aliases_within_the_limits_are_fine() -> None:
    nodes = "nodes:\n- &first {name: a, address: 192.0.2.1}\n- {<<: *first, name: b, address: 192.0.2.2}"
    topology = parse(GOOD.replace("nodes: 2", nodes).replace("flannel-vxlan", "eni"), "mine.yaml")

    assert [node.name for node in topology.nodes] == ["a", "b"]


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.strip().encode())

    assert load(str(tmp_path / "bom.yaml")).name == "mine"


def test_a_balancer_without_declared_addresses_is_predicted_all_the_same() -> None:
    topology = parse(GOOD + "load_balancer: {kind: inline}", "mine.yaml")

    assert topology.load_balancer.addresses is None


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"name: \xff", "file: got the byte 0xff at offset 6, want text in UTF-8"),
        ("name: x".encode("utf-16"), "file: got the byte 0xff at offset 0, want text in UTF-8"),
        (b"#" * (limits.FILE_BYTES + 1), f"file: got more than {limits.FILE_BYTES} bytes, want at most"),
    ],
)
def test_a_file_that_is_no_text_is_one_error(tmp_path: Path, content: bytes, wanted: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)

    with pytest.raises(TopologyError, match=re.escape(wanted)):
        load(str(path))


def test_what_is_no_file_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    (tmp_path / "device.yaml").symlink_to("/dev/zero")
    wanted = {
        "pipe.yaml": "got a named pipe, want a regular file",
        "folder.yaml": "got a directory, want a regular file",
        "device.yaml": "got a device, want a regular file",
        "loop.yaml": "got Too many levels of symbolic links, want a readable YAML file",
        "none.yaml": "got No such file or directory, want a readable YAML file",
        "x\x00.yaml": "got a path that no file can have",
        "x" * 300 + ".yaml": "got File name too long",
    }
    for name, words in wanted.items():
        with in_time(), pytest.raises(TopologyError) as caught:
            load(f"{tmp_path}/{name}")
        assert words in str(caught.value)

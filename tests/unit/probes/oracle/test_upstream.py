"""Rules are bounded by changes of kube-proxy whose backports were looked up."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from probes.oracle import upstream
from probes.oracle.catalogue import CATALOGUE, versions
from probes.oracle.environment import Environment
from probes.oracle.modes import chains
from probes.oracle.rule import Rule
from probes.oracle.upstream import Backport, KubeProxyChange, VersionRange
from topologies.loading.load import load
from topologies.schema.enums import ProxyMode
from topologies.schema.topology import Version
from topologies.schema.validation import proxy

CHANGES = {name: value for name, value in vars(upstream).items() if isinstance(value, KubeProxyChange)}
ORACLE = Path(upstream.__file__).parent
BACKPORTED = KubeProxyChange("#1", (1, 24), (Backport("#2", (1, 21, 13)), Backport("#3", (1, 22, 10))))
LATER = KubeProxyChange("#4", (1, 30), looked_up="none")


@pytest.mark.parametrize(
    ("version", "has"),
    [
        ("1.20.15", False),
        ("1.21.12", False),
        ("1.21.13", True),
        ("1.22.0", False),
        ("1.22.9", False),
        ("1.22.10-eks-1", True),
        ("1.23.17", False),
        ("1.24.0", True),
        ("1.36.2", True),
    ],
)
def test_a_backported_change_is_in_a_branch_from_its_patch_on(version: str, has: bool) -> None:
    assert BACKPORTED.is_in(Version.parse(version)) is has


def bounded(since: KubeProxyChange | None, until: KubeProxyChange | None) -> Rule[Any]:
    return Rule("X", "A sentence.", VersionRange(since, until), "#1", lambda _conn: None)


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, None, "all"),
        (None, LATER, "<= 1.29"),
        (LATER, None, ">= 1.30"),
        (BACKPORTED, None, "1.21.13+, 1.22.10+, >= 1.24"),
        (None, BACKPORTED, "<= 1.21.12, 1.22.0-1.22.9, 1.23"),
        (BACKPORTED, LATER, "1.21.13+, 1.22.10+, 1.24-1.29"),
    ],
)
def test_versions_of_a_rule_read_branch_by_branch(
    since: KubeProxyChange | None, until: KubeProxyChange | None, expected: str
) -> None:
    assert versions(bounded(since, until)) == expected


@pytest.mark.parametrize(("since", "until"), [(BACKPORTED, LATER), (None, BACKPORTED), (LATER, None)])
def test_a_rule_covers_the_versions_between_its_changes(
    since: KubeProxyChange | None, until: KubeProxyChange | None
) -> None:
    rule = bounded(since, until)
    for minor in range(20, 38):
        for patch in range(20):
            version = Version(1, minor, patch)
            wanted = (since is None or since.is_in(version)) and not (until and until.is_in(version))
            assert rule.versions.includes(version) is wanted, version


def test_every_bounded_rule_says_whether_backports_were_looked_up() -> None:
    found = [rule for rule in CATALOGUE if rule.versions.changes]
    assert len(found) > 30
    for rule in found:
        assert len(rule.backports) == len(rule.versions.changes), rule.id
        for text in rule.backports:
            assert re.search(r"\): (backported to \d|none)", text), (rule.id, text)


def test_every_bound_is_a_change_of_the_module_and_every_change_bounds_something() -> None:
    bounds = {change for rule in CATALOGUE for change in rule.versions.changes}
    assert bounds <= set(CHANGES.values())
    sources = "\n".join(path.read_text() for path in ORACLE.rglob("*.py") if path.name != "upstream.py")
    assert [name for name in CHANGES if f"upstream.{name}" not in sources] == []


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_backport_is_a_patch_release_of_an_older_branch(change: KubeProxyChange) -> None:
    assert len(change.release) == 2
    for one in change.backports:
        assert len(one.release) == 3
        assert one.release[:2] < change.release
        assert one.release[2] > 0
        assert re.fullmatch(r"#\d+", one.pull)


RULES = sorted(path for path in ORACLE.rglob("*.py") if path.name not in {"upstream.py", "__init__.py"})


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_no_other_module_compares_a_version(path: Path) -> None:
    """A literal release in a rule would miss the backports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    compared = [ast.unparse(node) for node in nodes if isinstance(node, ast.Compare)]
    assert not [text for text in compared if re.search(r"version\b", text)]
    tuples = [ast.unparse(node) for node in nodes if isinstance(node, ast.Tuple)]
    assert not [text for text in tuples if re.fullmatch(r"\(1, \d+(, \d+)?\)", text)]


def test_the_check_of_a_topology_has_the_same_bounds() -> None:
    """topologies must not import the oracle, so it has these four releases of its own."""
    assert (proxy.OLDEST, proxy.NEWEST[:2]) == (upstream.OLDEST, upstream.NEWEST)
    assert upstream.NFTABLES_MODE.release == proxy.NFTABLES
    assert upstream.PRIMARY_NODE_PORTS.release == proxy.PRIMARY_BY_DEFAULT_SINCE
    assert upstream.LOCALHOST_NODE_PORT_PROXY.release == proxy.LOCALHOST_PROXY_SINCE
    assert upstream.EXTERNAL_IPS_GATE.release == proxy.EXTERNAL_IPS_GATE_SINCE


@pytest.mark.parametrize(
    ("mode", "version", "known"),
    [
        ("iptables", "1.19.16", False),
        ("iptables", "1.20.0", True),
        ("ipvs", "1.37.2", True),
        ("ipvs", "1.38.0", False),
        ("nftables", "1.28.15", False),
        ("nftables", "1.29.0", True),
    ],
)
def test_a_mode_is_known_from_its_first_release_on(mode: str, version: str, known: bool) -> None:
    topology = load("lab-small")
    environment = replace(Environment.of(topology), mode=ProxyMode(mode), version=Version.parse(version))
    if known:
        assert chains.of(environment) is chains.MODES[environment.mode]
        return
    with pytest.raises(
        chains.UnsupportedMode, match=r"knows iptables 1\.20 to 1\.37, ipvs 1\.20 to 1\.37, nftables 1\.29 to 1\.37$"
    ):
        chains.of(environment)


@pytest.mark.parametrize(
    ("rule", "wrong", "right"),
    [
        ("R4.5", "#110289", "#110290"),
        ("R6.5", "#110289", "#110290"),
        ("F3", "#122296", "#122614"),
        ("F4", "#122296", "#122614"),
    ],
)
def test_a_rule_cites_the_pull_request_that_made_it(rule: str, wrong: str, right: str) -> None:
    """#110289: source ranges; #110290: no local endpoints; #122296: the sets of ranges, not the drop."""
    citation = next(one.citation for one in CATALOGUE if one.id == rule)
    assert right in citation
    assert wrong not in citation


def test_a_change_without_backports_states_the_search_for_them() -> None:
    with pytest.raises(ValueError, match="#999999: got no backports and no looked_up"):
        KubeProxyChange("#999999", (1, 24))


def test_a_change_of_a_release_that_no_rule_describes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"#999999: got release 1\.99, want at most .*Raise NEWEST"):
        KubeProxyChange("#999999", (1, 99), looked_up="none found")

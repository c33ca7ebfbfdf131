"""Each kube-proxy mode lists its rules in chains, and has no other rule."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from probes import oracle
from probes.oracle.catalogue import CATALOGUE, STEPS, modes_of
from probes.oracle.modes import iptables, ipvs, nftables, shared
from probes.oracle.modes.chains import MODES, merge_chains
from probes.oracle.predict import model_cluster, predict
from probes.oracle.rule import Rule
from probes.oracle.stages import source_nat
from probes.plan.plan import plan
from topologies.cluster_state.snapshot import declared
from topologies.frontends import FrontendKind
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from topologies.schema.enums import ProxyMode

CHAINS = {f"{mode} {number}": chain for mode, chains in MODES.items() for number, chain in enumerate(chains.all)}
CHAINS |= dict(STEPS) | {"direct": source_nat.UNTOUCHED_BY_PROXY}


def defined() -> Iterator[Rule[Any]]:
    """Yield every rule that a module of the oracle defines."""
    for found in pkgutil.walk_packages(oracle.__path__, f"{oracle.__name__}."):
        for value in vars(importlib.import_module(found.name)).values():
            if isinstance(value, Rule):
                yield value


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_a_chain_lists_a_rule_once(chain: tuple[Rule[Any], ...]) -> None:
    assert [rule.id for rule in chain] == list(dict.fromkeys(rule.id for rule in chain))


def test_every_rule_is_in_a_chain() -> None:
    rules = {rule.id for rule in defined()}
    assert len(rules) > 100
    assert rules == {rule.id for rule in CATALOGUE}


@pytest.mark.parametrize("mode", MODES)
def test_the_catalogue_keeps_the_order_of_each_modes_chains(mode: ProxyMode) -> None:
    steps = [chain for _, chain in STEPS]
    for chain in MODES[mode].all:
        assert any([rule for rule in step if rule in chain] == list(chain) for step in steps)


@pytest.mark.parametrize(
    ("rule", "modes"),
    [
        (shared.external_to_all, {"iptables", "ipvs", "nftables"}),
        (shared.no_endpoints, {"iptables", "nftables"}),
        (source_nat.hairpin_here, {"ipvs", "nftables"}),
        (nftables.primary_only, {"nftables"}),
        (ipvs.loopback_held, {"ipvs"}),
    ],
    ids=lambda value: value.id if isinstance(value, Rule) else "",
)
def test_the_modes_of_a_rule_are_those_that_list_it(rule: Rule[Any], modes: set[str]) -> None:
    assert {str(mode) for mode in modes_of(rule)} == modes


def test_a_mode_has_no_rule_that_it_does_not_list() -> None:
    topology = load("lab-small")
    cluster = model_cluster(topology, declared(topology))
    short = replace(
        cluster, chains=dict.fromkeys(cluster.chains, replace(iptables.CHAINS, pool=(shared.external_to_all,)))
    )
    cells = [cell for cell in plan(topology).cells if cell.frontend.kind is FrontendKind.NODE_PORT]
    pools = {rule.id for chains in MODES.values() for rule in chains.pool}
    assert {rule for cell in cells for rule in predict(cluster, cell).rules} & pools > {"R3.3"}
    assert {rule for cell in cells for rule in predict(short, cell).rules} & pools == {"R3.3"}


def test_chains_in_two_orders_cannot_be_merged() -> None:
    one, other = shared.not_a_vip, shared.hostname_only
    assert merge_chains([(one,), (other,), (one, other)]) == (one, other)
    with pytest.raises(ValueError, match=r"R0\.3, R0\.12"):
        merge_chains([(one, other), (other, one)])

"""docs/topology.md: every key of the schema, each once, and examples that load."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.unit.support.paths import ROOT
from topologies.loading import key_tables
from topologies.loading.field_words import paths
from topologies.loading.load import LIBRARY, load, names, validated
from topologies.schema.enums import CniKind
from topologies.schema.scalars import names_registry
from topologies.schema.topology import Images

if TYPE_CHECKING:
    from topologies.schema.network import Model

PAGE = key_tables.PAGE.read_text(encoding="utf-8")
BASE = """
name: mine
kubernetes: "1.30.3"
nodes: [{name: worker-1, address: 192.0.2.1}, {name: worker-2, address: 192.0.2.2}]
external: [{name: laptop, address: 192.0.2.9}]
cni: {kind: eni}
"""
IMAGE = re.compile(r"[\w./:-]*agnhost:[\w.-]+")
OF_THE_LAB = "hairpin.local/"


def test_the_tables_are_those_of_the_schema() -> None:
    assert key_tables.page(PAGE) == PAGE, "run `python -m topologies.loading.key_tables`"


def test_every_key_is_documented() -> None:
    assert "workload.services[].shares_address_of" in paths()
    assert {path for path in paths() if f"| `{path.rpartition('.')[2]}` |" not in PAGE} == set()


@pytest.mark.parametrize("section", [model for _, model in key_tables.SECTIONS])
def test_every_field_says_what_it_means(section: type[Model]) -> None:
    told = key_tables.descriptions(section)

    assert set(told) == set(section.model_fields)
    assert all(text.endswith(".") for text in told.values())


@pytest.mark.parametrize(
    ("title", "row"),
    [
        ("Top level", "`unknown` | a list of paths of facts | `[]` |"),
        ("`lab`", "`overlay` | one of declared, vxlan | `declared` |"),
        ("`cni`", "`overlay` | one of none, vxlan, ipip, geneve, wireguard | `none`, or by `kind` |"),
        ("`load_balancer`", "`keeps_client` | true or false | `true`, or by `kind` |"),
    ],
)
def test_a_default_is_that_of_its_own_section(title: str, row: str) -> None:
    _, _, section = PAGE.partition(f"### {title}\n")

    assert f"| {row}" in section.partition("\n### ")[0]


def test_no_heading_is_there_twice() -> None:
    headings = [line for line in PAGE.splitlines() if line.startswith("#")]

    assert {heading for heading, times in Counter(headings).items() if times > 1} == set()


def test_every_example_of_the_page_loads() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)

    assert len(examples) == 9
    for example in examples:
        whole = yaml.safe_load(BASE) | yaml.safe_load(example)  # an example's sections replace those of the base
        assert validated(whole, "topology.md").nodes


def test_every_image_in_docs_and_library_names_its_registry() -> None:
    files = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *LIBRARY.glob("*.yaml")]
    found = {(file.name, image) for file in files for image in IMAGE.findall(file.read_text(encoding="utf-8"))}

    assert ("example-kubeadm.yaml", "registry.example/e2e-test-images/agnhost:2.53") in found
    assert {(file, image) for file, image in found if not names_registry(image)} == set()


def test_the_labs_own_image_is_the_default_and_named_in_no_file_without_a_lab() -> None:
    assert Images().agnhost.startswith(OF_THE_LAB)
    assert {
        name
        for name in names()
        if load(name).lab is None
        and "images:" in (LIBRARY / f"{name}.yaml").read_text(encoding="utf-8")
        and load(name).images.agnhost.startswith(OF_THE_LAB)
    } == set()


@pytest.mark.parametrize("kind", CniKind)
def test_every_network_kind_has_a_row(kind: CniKind) -> None:
    assert re.search(rf"^\| `{kind}` \|", (ROOT / "docs" / "topology.md").read_text(), re.MULTILINE)

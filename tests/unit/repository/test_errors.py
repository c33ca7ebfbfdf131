"""Every exception class of the product is in the tree of topologies/common/errors.py."""

from __future__ import annotations

import ast
import re
from functools import cache

from tests.unit.support.paths import ROOT
from topologies.common import errors
from topologies.common.waiting import WaitTimeoutError
from topologies.frontends import UnresolvedError

ROOT_CLASS = "HairpinError"
PRODUCT = ("hairpin", "topologies", "probes", "reports", "suites", "bench")
EXCEPTION = re.compile(r"Error$|Exception$")
OWN_REASON = {
    "HungError": "of a program that imports nothing of ours (probes/asking/continuous/client.py)",
    "NoEchoError": "likewise",
    "ReturnedError": "likewise",
    "Refused": "control flow inside topologies.loading.yaml_file: carries a complaint to its one handler",
    "Misspelt": "control flow inside topologies.loading.overrides: carries a complaint to its one handler",
}


@cache
def exceptions() -> tuple[tuple[str, str, frozenset[str]], ...]:
    """The exception classes of the product: module, name, names of the bases."""
    paths = [path for package in PRODUCT for path in (ROOT / package).rglob("*.py")]
    classes = [
        (".".join(path.relative_to(ROOT).with_suffix("").parts), node.name, frozenset(map(plain_name, node.bases)))
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    return tuple(one for one in classes if any(map(EXCEPTION.search, {one[1], *one[2]})))


def plain_name(base: ast.expr) -> str:
    """The name of a base class without its module."""
    return ast.unparse(base).rpartition(".")[2]


@cache
def below_hairpin_error() -> frozenset[str]:
    """HairpinError and the names of the classes that derive from it, directly or not."""
    found = {ROOT_CLASS}
    while more := {name for _, name, bases in exceptions() if bases & found} - found:
        found |= more
    return frozenset(found)


def test_every_exception_derives_from_hairpin_error_or_has_a_reason_not_to() -> None:
    others = {name for _, name, _ in exceptions()} - below_hairpin_error()

    assert others == set(OWN_REASON)


def test_the_tree_names_every_exception_with_its_module() -> None:
    drawn = set(re.findall(r"[├└]── (\w+) +([\w.]+)", str(errors.__doc__)))

    assert drawn == {(name, module) for module, name, _ in exceptions() if name in below_hairpin_error() - {ROOT_CLASS}}


def test_the_former_bases_stay() -> None:
    assert issubclass(WaitTimeoutError, TimeoutError)
    assert issubclass(UnresolvedError, LookupError)

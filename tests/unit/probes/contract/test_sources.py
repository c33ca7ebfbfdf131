"""The tests and texts that rows name exist: checked against Kubernetes' files, if a lab was built from its module."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

from probes.contract.load import rows
from probes.contract.sources import READ_AT, PromiseSource, TextKind
from topologies.lab.build.binaries import cache_dir

if TYPE_CHECKING:
    from pathlib import Path

TESTS = [
    pytest.param(source, id=f"{row.id}-{number}")
    for row in rows()
    for number, source in enumerate(row.sources)
    if source.verified and not source.until and source.kind in {TextKind.CONFORMANCE, TextKind.E2E, TextKind.API}
]


@cache
def _module(name: str, version: str) -> Path:
    found = sorted(cache_dir().glob(f"kubernetes/*/modules/k8s.io/{name}@{version}"))
    if not found:
        pytest.skip(f"k8s.io/{name} {version} is not in {cache_dir()}: hairpin lab get builds from it")
    return found[0]


@cache
def _text(path: Path) -> str:
    return re.sub(r"\s+(?://\s+)?", " ", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("source", TESTS)
def test_the_source_is_in_kubernetes_files(source: PromiseSource) -> None:
    if source.kind is TextKind.API:
        types = _text(_module("api", READ_AT.replace("v1.", "v0.")) / "core/v1/types.go")
        assert all(part.strip() in types for part in source.quote.split("[...]"))
        return
    folder = _module("kubernetes", READ_AT)
    file = _text(folder / "test/e2e" / source.at)
    words = source.name.removesuffix(" [LinuxOnly]").removesuffix(" [Privileged]").split()
    last = next(" ".join(words[start:]) for start in range(len(words)) if f'"{" ".join(words[start:])}' in file)
    before = source.name.partition(last)[0].strip()

    assert len(last.split()) > 2
    assert all(word in file for word in before.split())
    if source.kind is TextKind.CONFORMANCE:
        listed = _text(folder / "test/conformance/testdata/conformance.yaml")
        assert f"[sig-network] {source.name} [Conformance]" in listed or f"] {source.name} " in listed
        assert source.quote.replace("'", "''") in listed or source.quote in listed

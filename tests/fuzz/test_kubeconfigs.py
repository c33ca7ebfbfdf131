"""Mutated kubeconfigs: each is refused, or leads nowhere, with one ClusterError of one line.

The one API server named is a port of loopback where nothing listens. Exec plugins are /bin/false only: a mutation never
touches a command.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kubernetes import client

from tests.fuzz.bounds import MEMORY_MB, Memory, in_time, rounds
from topologies.cluster import api as apis
from topologies.cluster.api import ClusterError
from topologies.cluster.run_namespaces import run_namespaces

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CASES = 200
DEAD = "https://127.0.0.1:9"
EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/false"}
GOOD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "n"}}],
    "clusters": [{"name": "k", "cluster": {"server": DEAD, "insecure-skip-tls-verify": True}}],
    "users": [{"name": "u", "user": {"token": "t", "username": "a", "password": "b"}}],
}
ODD: tuple[Any, ...] = (
    None,
    "",
    0,
    -1,
    1e300,
    True,
    [],
    {},
    [[]],
    {"a": {}},
    "\0",
    "é" * 50,
    "x" * 100_000,
    "../../etc",
    "/etc/shadow",
    "/",
    "%%%",
    "AAAA",
    "LS0tLS1CRUdJTg==",
    "2026-13-45",
    [None],
    [{}],
    [{"name": "c"}],
    {"name": None},
    "http://[::1",
    "https://127.0.0.1:99999",
    "ftp://127.0.0.1",
    "127.0.0.1:9",
    "http://127.0.0.1:9/\nx: y",
)
FIELDS = (
    "certificate-authority",
    "certificate-authority-data",
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "tokenFile",
    "token",
    "tls-server-name",
    "username",
    "password",
    "insecure-skip-tls-verify",
)
OIDC = {"name": "oidc", "config": {"id-token": "a.b.c", "idp-issuer-url": DEAD, "client-id": "x", "refresh-token": "r"}}


def nodes(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document, whose value can be changed."""
    pairs = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [(value, key) for key, _ in pairs] + [found for _, inner in pairs for found in nodes(inner)]


def replaced(document: Any, chance: random.Random) -> None:
    container, key = chance.choice(nodes(document))
    container[key] = chance.choice(ODD)


def removed(document: Any, chance: random.Random) -> None:
    container, key = chance.choice(nodes(document))
    del container[key]


def added(document: Any, chance: random.Random) -> None:
    part = document["clusters"][0]["cluster"] if chance.random() < 0.4 else document["users"][0]["user"]
    part[chance.choice(FIELDS)] = chance.choice(ODD)


def plugged(document: Any, chance: random.Random) -> None:
    document["users"][0]["user"] = chance.choice(
        [{"exec": dict(EXEC)}, {"auth-provider": OIDC}, {"exec": "/bin/false"}]
    )


CHANGES: tuple[Callable[[Any, random.Random], None], ...] = (replaced, replaced, removed, added, plugged)


def mutated(number: int) -> bytes:
    """The octets of one mutated kubeconfig."""
    chance = random.Random(number)
    document: Any = yaml.safe_load(yaml.safe_dump(GOOD))
    for _ in range(chance.randint(1, 3)):
        try:
            chance.choice(CHANGES)(document, chance)
        except (KeyError, IndexError, TypeError, AttributeError):  # an earlier change took what this one changes
            continue
    octets = bytearray(yaml.safe_dump(document, allow_unicode=True).encode(errors="surrogateescape"))
    if "exec" not in str(document) and chance.random() < 0.4:
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(octets))
            octets[at : at + chance.randint(0, 3)] = bytes(chance.randrange(256) for _ in range(chance.randint(0, 3)))
    return bytes(octets)


def leads_away(octets: bytes) -> bool:
    """Whether a change of octets has made another host of the address: no packet may leave the machine."""
    return b"server: https://127.0.0.1:9\n" not in octets and b"server:" in octets and b"//127.0.0.1" not in octets


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """The client's models, whose import takes seconds on a busy machine."""
    client.CoreV1Api(client.ApiClient(client.Configuration()))
    client.V1NamespaceList(items=[])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("number", rounds(CASES))
def test_a_mutated_kubeconfig_is_one_line_or_leads_nowhere(number: int, tmp_path: Path, memory: Memory) -> None:
    octets = mutated(number)
    if leads_away(octets):
        octets = yaml.safe_dump(GOOD).encode()[: len(octets) // 2]
    path = tmp_path / "config"
    path.write_bytes(octets)

    with in_time(), pytest.raises(ClusterError) as caught:
        run_namespaces(apis.connect(str(path)), (0.5, 0.5))

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= apis.ERROR_MAX
    assert memory.peak_mb() < MEMORY_MB

"""`hairpin clean` removes the namespaces of dead runs, by UID, and spares those of runs that ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hairpin.main import main
from tests.unit.support.fake_api import Api, Raw, serve, status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

HOUR = 3600
NAMESPACES = "/api/v1/namespaces"


@pytest.fixture
def api() -> Api:
    """A cluster with the namespaces of five runs and one that only has our labels."""
    made = Api()
    made.seed("hairpin-dead", "dead", age_s=300, asking=False)
    made.seed("hairpin-asks", "asks", age_s=5 * HOUR, asking=True)
    made.seed("hairpin-young", "young", age_s=300)
    made.seed("hairpin-old", "old", age_s=2 * HOUR)
    made.seed("shop", "dead", age_s=9 * HOUR)
    made.seed("hairpin-ending", "ending", age_s=60)
    made.objects[f"{NAMESPACES}/hairpin-ending"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    made.objects[f"{NAMESPACES}/theirs"] = {"metadata": {"name": "theirs", "uid": "u", "labels": {}}}
    return made


@pytest.fixture
def kubeconfig(api: Api, tmp_path: Path) -> Iterator[str]:
    with serve(api, tmp_path) as path:
        yield f"--kubeconfig={path}"


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        ([], {"hairpin-dead", "hairpin-old"}),
        (["--older-than", "60"], {"hairpin-old"}),
        (["--list"], set()),
        (["--list", "--all"], set()),
        (["--all"], {"hairpin-dead", "hairpin-old", "hairpin-young", "hairpin-asks"}),
    ],
)
def test_what_is_removed(options: list[str], gone: set[str], api: Api, kubeconfig: str) -> None:
    uids = {name: api.objects[f"{NAMESPACES}/{name}"]["metadata"]["uid"] for name in gone}

    assert main(["clean", kubeconfig, *options]) == 0

    assert dict(api.deleted) == uids


def test_each_namespace_is_listed_with_its_owner_its_age_and_why_it_is_spared(
    kubeconfig: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["clean", kubeconfig, "--list"])
    told = dict(line.split(" of me, ") for line in capsys.readouterr().out.splitlines())

    assert told["namespace hairpin-dead"] == "made 5 min ago: would be removed"
    assert "300 min ago: spared: its run is at work" in told["namespace hairpin-asks"]
    assert (
        "spared: no Lease shows whether its run is at work, and it is younger than 60 min"
        in told["namespace hairpin-young"]
    )
    assert "spared: it has our labels, but its name is not that of its run dead" in told["namespace shop"]
    assert "spared: it is being deleted already" in told["namespace hairpin-ending"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            status(403, "namespaces is forbidden"),
            "list Namespaces: the API answered 403 Forbidden: namespaces is forbidden",
        ),
        (Raw(b"<html>log in</html>", 200, "text/html"), "list Namespaces: the API server http://127.0.0.1:"),
        (Raw(b"null"), "list Namespaces: "),
    ],
)
def test_a_cluster_that_refuses_is_one_line(
    answer: Raw, says: str, api: Api, kubeconfig: str, capsys: pytest.CaptureFixture[str]
) -> None:
    api.script[".*"] = answer

    assert main(["clean", kubeconfig]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"hairpin clean: {says}")


def test_a_bad_kubeconfig_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config").write_bytes(b"\x00\xff")

    assert main(["clean", f"--kubeconfig={tmp_path}/config"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"hairpin clean: kubeconfig {tmp_path}/config: ")

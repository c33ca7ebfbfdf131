"""Nothing is removed or ended that is not proven to be this lab's."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.unit.support.paths import ROOT
from topologies.common.subprocesses import Process
from topologies.lab import __main__ as command
from topologies.lab import lab, ownership, teardown
from topologies.lab.build import images
from topologies.lab.cgroups import CGROUPS, label
from topologies.lab.ownership import OwnershipError
from topologies.lab.sandbox import locate
from topologies.lab.state import State, boot_id, write
from topologies.loading.load import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HAIRPIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HAIRPIN_STATE", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def precious(tmp_path: Path) -> Iterator[Path]:
    """A directory that is not ours; it is the same afterwards."""
    place = tmp_path / "precious"
    place.mkdir()
    (place / "thesis.tex").write_text("years of work")
    yield place
    assert [path.name for path in place.iterdir()] == ["thesis.tex"]


def declared(state: State, name: str = "x", **more: object) -> State:
    ownership.create(state, {"name": name, "began": 1.0, "cgroups": [], **more})
    return state


@pytest.mark.parametrize("given", ["{precious}", "", ".", "..", "../..", "a/b", "X", "x" * 64, "x\n"])
@pytest.mark.parametrize("option", [[], ["--topology"]])
def test_down_refuses_what_cannot_be_a_labs_name(
    given: str, option: list[str], cache: Path, precious: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = declared(State(cache / "labs" / "other"), "other")

    with pytest.raises(SystemExit) as ended:
        command.main(["down", *option, given.format(precious=precious)])

    assert "lab name: got" in str(ended.value)
    assert "want a DNS label" in str(ended.value)
    assert other.record.exists()
    assert "gone" not in capsys.readouterr().out


@pytest.mark.parametrize("verb", [lab.down, lab.find, locate])
def test_no_verb_takes_a_path_for_a_labs_name(verb: Callable[[str], object], cache: Path, precious: Path) -> None:
    assert not cache.exists()

    with pytest.raises(OwnershipError, match="want a DNS label"):
        verb(str(precious))


def test_a_state_directory_that_is_somebody_elses_is_left_alone(
    precious: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAIRPIN_STATE", str(precious))

    with pytest.raises(OwnershipError, match=r"got no lab's record, want lab\.json of lab 'lab-small'"):
        lab.down("lab-small")
    with pytest.raises(OwnershipError, match="Nothing was removed"):
        lab.up(load("lab-small"), progress=lambda _: None)
    assert not cache.exists()


def test_the_state_of_another_lab_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = declared(State(tmp_path / "state"), "other")
    monkeypatch.setenv("HAIRPIN_STATE", str(other.root))

    with pytest.raises(OwnershipError, match="got the record of lab 'other'"):
        lab.down("x")
    assert other.record.exists()


@pytest.mark.parametrize("record", ["", "[]", "{", "null", '"x"', "{}"])
def test_a_record_that_cannot_be_read_proves_nothing(record: str, tmp_path: Path) -> None:
    state = State(tmp_path / "x")
    state.root.mkdir()
    state.record.write_text(record)

    with pytest.raises(OwnershipError):
        ownership.remove(state, "x")
    assert state.record.exists()


def test_a_link_to_another_directory_is_not_followed(tmp_path: Path, precious: Path) -> None:
    (tmp_path / "x").symlink_to(precious)

    with pytest.raises(OwnershipError):
        ownership.remove(State(tmp_path / "x"), "x")


def test_links_inside_a_state_are_removed_and_not_followed(tmp_path: Path, precious: Path) -> None:
    state = declared(State(tmp_path / "x"))
    (state.root / "logs").symlink_to(precious)

    ownership.remove(state, "x")

    assert not state.root.exists()


def test_a_state_is_created_with_its_record_or_not_at_all(tmp_path: Path, precious: Path) -> None:
    with pytest.raises(OwnershipError, match="want an absent or empty directory"):
        declared(State(precious))

    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_what_an_interrupted_creation_left_is_removed(tmp_path: Path) -> None:
    state = State(tmp_path / "x")
    (tmp_path / ".x.new").mkdir()
    (tmp_path / ".x.new" / "lab.json").touch()

    assert ownership.proven(state, "x") is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "group",
    [str(CGROUPS), "/sys/fs/cgroup/memory", "/home", "/sys/fs/cgroup/../../home/hairpin-x", "/tmp/hairpin-x"],  # noqa: S108
)
def test_no_cgroup_is_emptied_but_the_labs_own(group: str, tmp_path: Path) -> None:
    state = declared(State(tmp_path / "x"), cgroups=[group])

    with pytest.raises(OwnershipError, match="cgroups: got"):
        teardown.clear(state, "x")
    assert state.record.exists()


def test_labs_of_one_name_in_two_caches_share_no_cgroup(tmp_path: Path) -> None:
    assert label("x", tmp_path / "a" / "x") != label("x", tmp_path / "b" / "x")


def test_a_process_of_an_earlier_boot_is_not_the_labs(tmp_path: Path) -> None:
    state = State(tmp_path)
    with subprocess.Popen(["/bin/sleep", "60"]) as sleeper:
        process = Process.find(sleeper.pid)
        assert process
        write(state.sandbox, {"pid": process.pid, "started": process.started, "boot": "an-earlier-one"})
        earlier = state.process
        write(state.sandbox, {"pid": process.pid, "started": process.started, "boot": boot_id()})
        now = state.process
        sleeper.kill()

    assert (earlier, now) == (None, process)


def test_only_what_the_images_name_themselves_is_removed_from_the_cache(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("images/.git", "images/.hairpin-pause-1", "golden/.thumbnails", "golden/.hairpin-2"):
        (cache / name).mkdir(parents=True)
    monkeypatch.setattr(images, "pause_image", lambda _: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        images.golden(None, None, cache=cache, progress=print)  # type: ignore[arg-type]

    assert sorted(path.name for path in cache.glob("*/.*")) == [".git", ".thumbnails"]


def test_the_command_line_prints_one_line_and_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "topologies.lab", "down", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "HAIRPIN_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert tmp_path.exists()

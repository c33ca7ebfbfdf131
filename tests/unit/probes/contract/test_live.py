"""The contract's verdicts on recorded live runs are the predicted ones, and live.json is what the recordings give."""

from __future__ import annotations

import datetime as dt

import pytest

from probes.contract.judging import ContractResult
from probes.contract.live import LIVE, LiveRun, LiveRuns, read_live
from tests.truth.contract import RecordedContract, format_live, live_runs, recorded
from tests.truth.recording import Shown
from topologies.schema.topology import Version

RECORDED = {one.row.id: one for one in recorded()}
ASKED = "1.37.2-nftables-lab-contract"


@pytest.mark.slow
@pytest.mark.parametrize("run", sorted(RECORDED))
def test_a_live_run_has_the_predicted_verdicts(run: str) -> None:
    assert list(RECORDED[run].unexpected()) == []


@pytest.mark.slow
def test_the_file_is_current() -> None:
    assert LIVE.read_text(encoding="utf-8") == format_live(live_runs()), "run: python -m tests.truth.contract"


def test_each_recording_with_default_flags_is_in_the_file() -> None:
    in_file = [(run.mode, str(run.version), run.topology) for run in read_live().runs]

    assert in_file == [(one.row.mode, one.row.version, one.row.topology) for one in RECORDED.values()]


def test_a_verdict_that_is_not_predicted_is_named_with_its_row() -> None:
    known = RECORDED[ASKED]
    cell = "ext-e1-to-web-np-local.nodeport.n3-v4-tcp"
    others = tuple(one for one in known.recording.shown if cell not in one.cells)
    served = Shown(replies=("ok kept web-a",), cells=(cell,))
    changed = known.recording.model_copy(update={"shown": (served, *others)})

    found = list(RecordedContract(known.row, changed).unexpected())

    assert "row 29: ext-e1-to-web-np-local.nodeport.n3-v4-tcp: got broken promise" in "\n".join(found)


def _run(minor: int, network: str, **rows: tuple[int, ...]) -> LiveRun:
    return LiveRun(
        mode="ipvs",
        version=Version(1, minor, 0),
        topology="lab",
        network=network,
        date=dt.date(2026, 11, 26),
        cells=1,
        rows={ContractResult[name.upper()]: numbers for name, numbers in rows.items()},
    )


def test_runs_are_described_by_verdict_and_the_network_is_named_if_it_decides() -> None:
    runs = LiveRuns(
        runs=(
            _run(20, "flannel-vxlan", broken=(35,)),
            _run(37, "flannel-vxlan", kept=(35,)),
            _run(37, "eni", unusual=(35,)),
            _run(37, "routed", unusual=(35,)),
            _run(24, "eni", free=(35,)),
        )
    )

    networks = {"flannel-vxlan", "eni"}
    assert runs.describe(35, "ipvs", networks) == (
        "live: kept in 1.37 on flannel-vxlan; broken promise in 1.20; unusual in 1.37 on eni"
    )
    assert runs.describe(35, "iptables", networks) == runs.describe(36, "ipvs", networks) == ""

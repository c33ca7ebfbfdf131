"""Every recorded live run of the truth table shows what today's oracle predicts, and docs/truth.md is what it gives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.truth import page
from tests.truth.recording import Recording, Shown, read_all
from tests.truth.rows import ROWS, Row, modes
from tests.unit.support.paths import ROOT

RECORDINGS = read_all()


@pytest.mark.parametrize("row", sorted(RECORDINGS))
def test_a_recorded_run_is_as_predicted(row: str) -> None:
    recording = RECORDINGS[row]

    assert list(recording.contradictions()) == []
    assert recording.failed == ()
    assert recording.asked > 100


def test_a_reply_that_is_not_predicted_is_found() -> None:
    recording = RECORDINGS["1.37.2-nftables-lab-flannel"]
    first, *others = recording.shown
    wrong = recording.model_copy(update={"shown": (Shown(replies=("reset",), cells=first.cells[:1]), *others)})

    [complaint] = wrong.contradictions()

    assert complaint.startswith(f"{first.cells[0]}: got reset, want ")


def test_a_cell_that_is_not_planned_is_found() -> None:
    recording = RECORDINGS["1.37.2-nftables-lab-flannel"]
    moved = recording.model_copy(update={"shown": (Shown(replies=("timeout",), cells=("pod-n1-to-nowhere",)),)})

    assert list(moved.contradictions()) == ["pod-n1-to-nowhere: got timeout, want not planned"]


def test_every_recording_has_its_row() -> None:
    assert RECORDINGS.keys() <= {row.id for row in ROWS}
    assert len({row.id for row in ROWS}) == len(ROWS)


def test_a_row_declares_what_it_runs() -> None:
    mixed = Row("1.34.4", "nftables", flags=("proxy.masquerade_all=true",))

    assert mixed.id == "1.34.4-nftables-lab-flannel-masquerade-all-true"
    assert "proxy.version=1.34.4" in mixed.overrides
    assert replace(mixed, kubernetes="1.34.4").overrides == (
        "kubernetes=1.34.4",
        "proxy.mode=nftables",
        "proxy.masquerade_all=true",
    )
    assert modes("1.28.15") == ("iptables",)


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "truth.md").read_text() == page.markdown(), (
        "run: python -m tests.truth.page > docs/truth.md"
    )


def test_a_recording_is_read_as_it_was_written() -> None:
    recording = next(iter(RECORDINGS.values()))

    assert Recording.model_validate_json(recording.model_dump_json(exclude_defaults=True)) == recording

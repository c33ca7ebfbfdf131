"""The vendors' pages: every claim once, every text of the tables, nothing fetched; with a run, what it showed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hairpin import claims as command
from hairpin.verb import CommandError
from probes.oracle.predict import expect
from probes.plan.plan import plan
from probes.session import simulate
from probes.vendor_claims import load
from reports.analysis.claim_evidence import collect_evidence
from reports.html import claims
from reports.records.record import Record
from reports.records.run import DeclaredTopology, Run
from topologies.loading.load import load as topology

if TYPE_CHECKING:
    from pathlib import Path

    from probes.observation import Observation
    from topologies.schema.topology import Topology

pytestmark = pytest.mark.slow

STARTED = "2026-01-01T00:00:00Z"


def ran(there: Topology, **bent: str) -> Run:
    """A run on a cluster that follows the rules, except in the cells of `bent`."""
    cells = [cell for cell in plan(there).cells if cell.frontend.service.endswith("-local")]
    answers = simulate(there, cells, lambda cell, snapshot: expect(there, snapshot, cell))
    records = []
    for cell in cells:
        seen = with_sockets(answers.observations[cell.id])
        record = Record.of(cell, expect(there, answers.snapshot, cell), seen, [], naming=str)
        text = record.model_dump_json()
        for old, new in bent.items() if cell.id.startswith("ext-e1-to-web-np-local.nodeport.n3") else ():
            text = text.replace(f'"outcome":"{old}"', f'"outcome":"{new}"')
        records.append(Record.model_validate_json(text).model_copy(update={"verdict": "pass"}))
    return Run(topology=DeclaredTopology.of(there), started=STARTED, records=records, complete=True)


def with_sockets(seen: Observation) -> Observation:
    """Each client's socket has the address that the backend sees."""
    return replace(seen, attempts=tuple(replace(one, local=f"{one.source or ''}:40000") for one in seen.attempts))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documented")
    claims.write(folder)
    return folder


@pytest.mark.parametrize("name", load.NAMES)
def test_a_page_has_every_claim_with_its_account_and_every_text(written: Path, name: str) -> None:
    text = (written / f"{name}.html").read_text(encoding="utf-8")
    page = load.load(name)

    for claim, _ in page.claims():
        assert text.count(f'href="#{claim}"') == 1
        assert text.count(f'id="{claim}"') == 1
    plain = [cell for table in page.tables for row in table.rows for cell in row.cells if isinstance(cell, str)]
    assert all(
        cell.replace("&", "&amp;").replace(">", "&gt;").replace('"', "&#34;").replace("'", "&#39;") in text
        for cell in plain
    )


@pytest.mark.parametrize("name", [*load.NAMES, "index"])
def test_a_page_fetches_nothing(written: Path, name: str) -> None:
    text = (written / f"{name}.html").read_text(encoding="utf-8")

    assert "http:" not in text
    assert "https:" not in text
    assert not re.search(r"<(script|img|link)[^>]* src=", text)


def test_a_run_shows_the_claims_of_its_cluster() -> None:
    found = collect_evidence(load.load("ack"), [ran(topology("ack-terway"))])

    face = found["000-D.r2.outcome"]
    assert face.result == "pass"
    assert face.seen == {"ack-terway": "refused"}
    assert found["000-D.r4.outcome"].result is None


def test_what_a_run_shows_otherwise_is_told_as_such() -> None:
    found = collect_evidence(load.load("ack"), [ran(topology("ack-terway"), refused="timeout")])

    face = found["000-D.r2.outcome"]
    assert face.result == "fail"
    assert any("want refused" in one.note for one in face.shown)


def test_a_host_that_shows_the_balancers_address_does_not_show_its_own() -> None:
    """As IPVS has it: the address is bound to the node, so the host's own socket takes it."""
    found = collect_evidence(load.load("ack"), [ran(topology("lab-ipvs-eni"))])

    face = found["000-E.r2.source-at-the-pod"]
    assert face.result == "pass"
    assert "vip" in face.shown[0].brief


def test_a_claim_no_run_could_show_says_what_it_needs() -> None:
    found = collect_evidence(load.load("cce"), [ran(topology("lab-flannel"))])

    assert found["003-1.r1.vpc-ipvs"].unshown == "needs cni.kind vpc-routed, proxy.mode ipvs, cni.masquerade none"


def test_versions_with_the_same_answer_are_told_together(written: Path) -> None:
    text = (written / "cce.html").read_text(encoding="utf-8")

    assert "1.20 to 1.23: refused" in text
    assert "1.24 to 1.37: timeout" in text


def test_a_claim_that_departs_from_the_contract_is_marked_on_its_face_with_its_releases(written: Path) -> None:
    text = (written / "cilium.html").read_text(encoding="utf-8")
    face = text.partition('href="#cilium-regressions.s1"')[2].partition("</a>")[0]

    assert "breaks row 35 (must)" in face
    assert "Cilium 1.19, reported for 1.19.3" in face
    assert "breaks row" not in text.partition('href="#cilium-policies.r1.north-south"')[2].partition("</a>")[0]
    assert "in short: <code>refused</code>" in text


def test_the_command_tells_what_it_wrote_and_what_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = type("Options", (), {"out": tmp_path / "pages", "runs": []})()
    assert command.run(options) == 0
    assert capsys.readouterr().out.splitlines()[0] == str(tmp_path / "pages" / "ack.html")

    options.runs = [tmp_path / "no-such-run"]
    with pytest.raises(CommandError, match="no-such-run"):
        command.run(options)

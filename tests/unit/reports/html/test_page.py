"""One renderer makes every page: the same policy against fetching, and data that cannot end their script element."""

from __future__ import annotations

import json

import pytest

from probes.vendor_claims import load as tables
from reports.analysis.claim_evidence import collect_evidence
from reports.analysis.diff import compare
from reports.analysis.diff_side import Side
from reports.html import claims, diff, prediction, rolling, run
from reports.html.page import embed_json
from reports.records.prediction import Prediction
from reports.records.run import DeclaredTopology, Run
from tests.unit.reports.terminal.test_rolling import FOUND as EXCHANGE
from tests.unit.support import worlds
from topologies.loading.load import load

POLICY = "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\""
EVIL = "</script><!--\u2028& \u00e9"


def pages() -> dict[str, str]:
    predicted = Prediction.of(load("lab-small"))
    side = Side.predicted("lab-small", predicted)
    return {
        "run": run.render(Run(topology=DeclaredTopology.of(worlds.topology()), started=worlds.STARTED)),
        "prediction": prediction.render(predicted),
        "diff": diff.render(compare(side, side)),
        "rolling": rolling.render(EXCHANGE),
        "claims": claims.render(tables.pages()[-1], collect_evidence(tables.pages()[-1])),
    }


@pytest.mark.parametrize("name", ["run", "prediction", "diff", "claims", "rolling"])
def test_the_browser_is_forbidden_to_fetch_anything(name: str) -> None:
    page = pages()[name]

    assert page.count(POLICY) == 1
    assert page.startswith("<!doctype html>\n")
    assert page.endswith("</html>")


def test_embedded_data_survive_and_cannot_end_their_element() -> None:
    written = embed_json({"text": EVIL})

    assert not set("<>&\u2028") & set(written)
    assert json.loads(written) == {"text": EVIL}

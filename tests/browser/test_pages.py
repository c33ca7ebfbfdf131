"""The pages of `hairpin predict` and `hairpin diff` in a real headless Chromium."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from probes import session
from probes.judging.run_judge import Judge
from probes.observation import Attempt, Observation, Outcome
from probes.oracle.predict import expect
from probes.plan.plan import plan
from reports.analysis.diff import compare
from reports.analysis.diff_side import Side
from reports.analysis.release.build import ReleaseSide, qualify
from reports.html import diff as diff_page
from reports.html import prediction as prediction_page
from reports.html import qualification as release_page
from reports.records import build
from reports.records.prediction import Prediction
from reports.records.run import DeclaredTopology, Run
from topologies.cluster_state.snapshot import declared as snapshot_of
from topologies.loading.load import load
from topologies.loading.overrides import declared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page, ViewportSize

    from reports.analysis.release.story import Qualification
    from tests.browser.conftest import Visit
    from topologies.schema.topology import Topology

IP, PORT = "pod-n2-to-web.clusterip-v4-tcp", "pod-n1-to-web-np.nodeport.n1-v4-tcp"
SMALL = load("lab-small")
CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    before = Prediction.of(declared("lab-flannel", {}))
    after = Prediction.of(declared("lab-flannel", {"detect_local": "none"}))
    comparison = compare(Side.predicted("</script><b id=torn>", before), Side.predicted("after", after))
    (folder / "predict.html").write_text(prediction_page.render(before), encoding="utf-8")
    (folder / "diff.html").write_text(diff_page.render(comparison), encoding="utf-8")
    between = compare(Side.observed("one", _run({})), Side.observed("two", _run({PORT: _kept, IP: _silent})))
    (folder / "runs.html").write_text(diff_page.render(between), encoding="utf-8")
    (folder / "release.html").write_text(release_page.render(_release()), encoding="utf-8")
    return folder


def _release() -> Qualification:
    """Three classes: IP fails after the change, PORT could not be asked, and the flag changes the source addresses."""
    changed = declared("lab-small", {"proxy.masquerade_all": True})
    before, after = (Side.predicted("side", Prediction.of(one)) for one in (load("lab-small"), changed))
    bent: dict[str, Callable[[Observation], Observation]] = {IP: _silent, PORT: _unasked}
    sides = (
        ReleaseSide("before", before, _run({}), "out/from"),
        ReleaseSide("after", after, _run(bent, changed), "out/to"),
    )
    return qualify(*sides, lambda name: "-to-web." in name or "-to-web-np." in name)


def _run(bent: dict[str, Callable[[Observation], Observation]], topology: Topology = SMALL) -> Run:
    cells = [cell for cell in plan(topology).cells if cell.frontend.service in {"web", "web-np"}]
    answers = session.simulate(topology, cells, lambda cell, known: expect(topology, known, cell))
    seen = {name: bent[name](one) if name in bent else one for name, one in answers.observations.items()}
    judge = Judge.over(topology, replace(answers, observations=seen), cells)
    records = tuple(build.records(judge, cells))
    return Run(topology=DeclaredTopology.of(topology), started="2026-11-22T05:35:08Z", records=records)


def _unasked(seen: Observation) -> Observation:
    return replace(seen, attempts=(), trouble="SSH down")


def _silent(seen: Observation) -> Observation:
    return replace(seen, attempts=(Attempt(Outcome.TIMEOUT),) * len(seen.attempts))


def _kept(seen: Observation) -> Observation:
    own = snapshot_of(load("lab-small")).pods["pod-n1"]
    return replace(seen, attempts=tuple(replace(one, source=own) for one in seen.attempts))


@pytest.fixture
def shown(visit: Visit, folder: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh page; whatever it logs, throws or fetches besides itself fails the test."""
    with visit(folder / f"{request.param}.html") as opened:
        yield opened


@pytest.mark.parametrize("shown", ["predict"], indirect=True)
def test_a_cell_shows_every_path_with_its_rules(shown: Page) -> None:
    prediction = Prediction.of(declared("lab-flannel", {}))
    cell = next(one for one in prediction.cells if one.cell.id == "host-n1-to-web-lb-local.loadbalancer-v4-tcp")

    assert shown.locator("[data-cell]").count() == len(prediction.cells)
    shown.locator(f'[title="{cell.cell.id}"]').click()

    ways = [[code.inner_text() for code in path.locator("code").all()] for path in shown.locator("#panel .path").all()]
    assert ways == [list(way.rules) for way in cell.expected.paths]
    assert "50 %: ok, from web-a, source 10.244.1.1 cni0(n1)" in shown.locator("#panel").inner_text()
    assert shown.url.endswith(f"#{cell.cell.id}")
    shown.keyboard.press("Escape")
    assert not shown.locator("#panel").is_visible()


@pytest.mark.parametrize("shown", ["predict"], indirect=True)
def test_a_prediction_is_searched_by_words_and_by_reachability(shown: Page) -> None:
    shown.fill("#find", "web-np-local ext-e1")
    found = [one.get_attribute("title") or "" for one in shown.locator(".c:not(.off)").all()]
    assert found
    assert all("web-np-local" in name and "ext-e1" in name for name in found)

    shown.click(".verdicts [data-mark=no]")
    assert 0 < shown.locator(".c:not(.off)").count() < len(found)

    shown.click("button[type=reset]")
    shown.wait_for_function("!document.querySelector('.c.off')")


@pytest.mark.parametrize("shown", ["diff"], indirect=True)
def test_changes_are_filtered_by_kind_and_their_rules_are_shown(shown: Page) -> None:
    assert shown.locator("#torn").count() == 0
    assert shown.locator(".group").first.get_attribute("data-mark") == "lost-reachability"
    assert "R4.1" in shown.locator(".group").first.inner_text()

    shown.click(".verdicts [data-mark=changed-source]")

    kinds = {one.get_attribute("data-mark") for one in shown.locator(".group:visible").all()}
    assert kinds == {"changed-source"}


@pytest.mark.parametrize("shown", ["runs"], indirect=True)
def test_what_fails_newly_is_red_even_if_the_backend_sees_the_client(shown: Page) -> None:
    (group,) = shown.locator(".group").all()
    assert group.get_attribute("data-mark") == "newly-failing"
    edge = group.evaluate("one => getComputedStyle(one).borderLeftColor")
    assert shown.locator(".group.pass").count() == 0
    red, green, blue = (int(part) for part in edge.removeprefix("rgb(").rstrip(")").split(","))
    assert red > 2 * max(green, blue)
    assert "gained-source" in group.inner_text()
    assert "1 newly-failing" not in shown.locator(".verdicts").inner_text().replace("\n", " ")
    assert "2 newly-failing" in shown.locator(".verdicts").inner_text().replace("\n", " ")


@pytest.mark.parametrize("shown", ["predict", "diff", "runs", "release"], indirect=True)
def test_a_phone_scrolls_no_page_sideways(shown: Page) -> None:
    shown.set_viewport_size(PHONE)

    assert shown.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("shown", ["predict", "diff", "runs", "release"], indirect=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(shown: Page, scheme: str) -> None:
    shown.emulate_media(color_scheme="light" if scheme == "light" else "dark")

    assert shown.evaluate(CONTRAST) == []


@pytest.mark.parametrize("shown", ["release"], indirect=True)
def test_a_release_is_filtered_by_class_and_starts_with_what_is_not_meant(shown: Page) -> None:
    classes = [one.get_attribute("data-mark") for one in shown.locator(".group").all()]
    assert classes == ["seen-and-not-meant", "not-tested", "meant-and-seen"]
    assert "NOT QUALIFIED: " in shown.locator("header").inner_text()
    assert "timeout (fail)" in shown.locator(".group").first.inner_text()

    shown.click(".kinds [data-mark=not-tested]")
    (left,) = [one for one in shown.locator(".group").all() if one.is_visible()]
    assert "SSH down" in left.inner_text()


@pytest.mark.parametrize("shown", ["predict", "diff"], indirect=True)
def test_light_and_dark_are_a_button_apart(shown: Page) -> None:
    shades = set()
    for _ in range(2):
        shown.click("#theme")
        shades.add(shown.evaluate("getComputedStyle(document.body).backgroundColor"))

    assert len(shades) == 2

"""The page of a qualification: what a release changes, predicted and observed side by side, by class and cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.analysis.release.change_class import CLASS_MEANINGS, ChangeClass
from reports.analysis.release.story import ReleaseVerdict
from reports.analysis.release.wording import (
    describe_observation,
    describe_phases,
    describe_prediction,
    describe_run,
    group_by_answers,
)
from reports.html.page import render_page

if TYPE_CHECKING:
    from reports.analysis.release.story import Qualification

TONES = {
    ChangeClass.SEEN_NOT_MEANT: "fail",
    ChangeClass.MEANT_NOT_SEEN: "fail",
    ChangeClass.NOT_TESTED: "inconclusive",
    ChangeClass.MEANT_AND_SEEN: "pass",
    ChangeClass.MEANT: "plain",
    ChangeClass.UNCHANGED: "same",
}
VERDICT_TONES = {
    ReleaseVerdict.QUALIFIED: "pass",
    ReleaseVerdict.NOT_QUALIFIED: "fail",
    ReleaseVerdict.INCONCLUSIVE: "inconclusive",
    ReleaseVerdict.PREDICTED: "plain",
}


def render(story: Qualification) -> str:
    """Return the page of a qualification."""
    return render_page(
        "qualification.html.j2",
        styles=("page.css", "filtered.css"),
        script="filtered.js",
        story=story,
        tones=TONES,
        verdict_tone=VERDICT_TONES[story.verdict],
        meanings=CLASS_MEANINGS,
        describe_run=describe_run,
        times=describe_phases(story.phases),
        describe_prediction=describe_prediction,
        describe_observation=describe_observation,
        group_by_answers=group_by_answers,
    )

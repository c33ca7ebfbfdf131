"""The page of a rolling exchange: for each node its phases, the broken cells, the held connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.analysis.rolling_groups import (
    count_fates,
    describe_broken,
    describe_fate,
    describe_left,
    find_notable,
    group_broken,
)
from reports.html.page import render_page

if TYPE_CHECKING:
    from reports.analysis.rolling import RollingExchange


def render(found: RollingExchange) -> str:
    """Return the page of an exchange."""
    return render_page(
        "rolling.html.j2",
        styles=("page.css", "filtered.css"),
        script="filtered.js",
        found=found,
        group_broken=group_broken,
        describe_broken=describe_broken,
        count_fates=count_fates,
        find_notable=find_notable,
        describe_fate=describe_fate,
        describe_left=describe_left,
    )

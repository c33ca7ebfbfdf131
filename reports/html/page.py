"""The renderer of every HTML page: one jinja2 environment, styles and scripts put inside, data embedded as JSON.

A page is one file and fetches nothing. Templates extend templates/page.html.j2, and those with a search form
templates/filtered.html.j2.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    from collections.abc import Iterable

_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def render_page(template: str, *, styles: Iterable[str], script: str, **values: object) -> str:
    """Return a whole page.

    Args:
        template: the file in templates/.
        styles: style sheets in templates/, put inside in this order.
        script: the script in templates/.
        values: the variables of the template; each one it uses must be given.

    """
    style = "".join(_read(name) for name in styles)
    return _environment().get_template(template).render(style=style, script=_read(script), **values)


def embed_json(data: object) -> str:
    """Return data as JSON for a script element: no `<` in it can end the element."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).translate(_ESCAPES)


@cache
def _environment() -> Environment:
    loader = PackageLoader("reports.html", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)


@cache
def _read(name: str) -> str:
    return resources.files("reports.html").joinpath("templates", name).read_text(encoding="utf-8")

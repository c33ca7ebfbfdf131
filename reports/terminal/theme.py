"""The colours of verdicts in a terminal, and plain or coloured text of renderables."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from probes.judging.verdict import Result

if TYPE_CHECKING:
    from rich.console import RenderableType

SIGNS = str.maketrans({"✓": "+", "✗": "x", "·": ".", "─": "-", "…": "..."})
COLOURS = {Result.PASS: "green", Result.FAIL: "bold red", Result.INCONCLUSIVE: "yellow"}


def to_text(renderables: list[RenderableType], width: int, *, color: bool) -> str:
    """Return what a terminal of that width shows, with ANSI colours or without."""
    console = Console(
        file=StringIO(),
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        highlight=False,
        legacy_windows=False,
    )
    with console.capture() as capture:
        for renderable in renderables:
            whole = isinstance(renderable, Text) and renderable.no_wrap is True  # a command to copy
            console.print(renderable, soft_wrap=whole)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def to_encoding(text: str, encoding: str) -> str:
    """Return the text with other signs in place of those that an encoding does not have: `x` for `✗`."""
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return text.translate(SIGNS).encode("ascii", "replace").decode()
    return text

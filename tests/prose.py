"""`python -m tests.prose` finds words that our prose must not use, and commit subjects that are too long.

Prose is: README.md, CHANGELOG.md and docs/*.md without code and quotations; docstrings, comments and messages of the
product. Identifiers are not prose, and neither is text in `backticks`. Prints `file:line: word (what to write)` and
exits with 1 if it found any.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.common import subprocesses

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md")
PACKAGES = ("hairpin", "topologies", "probes", "reports", "suites", "bench")
BASE = "25735d2"  # subjects of this commit and of older ones are not checked
SUBJECT_MAX = 72  # characters of a commit subject; `git log --oneline` in 80 columns

VERBS = "a program reports, returns, prints, logs or records"
BANNED = {
    r"tells?|told|telling": VERBS,
    r"says?|said|saying": VERBS,
    r"hears?|heard|hearing": "a program receives",
    r"speaks?|spoke|spoken|speaking": "name the protocol, or 'applies'",
    r"owes?|owed|owing": "name what is still to be sent or done",
    r"(?:keep|stay)(?:s|ing)? silent|(?:kept|stayed) silent": "'does not answer', 'prints nothing'",
    r"wants|wanted|wanting": "'needs', 'expects', 'accepts'; errors have 'got X, want Y'",
    r"(?<![,:(] )(?<!\A)want": "'needs', 'expects', 'accepts'; errors have 'got X, want Y'",
    r"alike": "'the same', 'both', 'equally'",
    r"(?:is|are|was|were|do|does|shows?|not|decides?|declares?) otherwise|otherwise(?=[.;:)])": "name what differs",
    r"nor": "'and not', or a second sentence",
    r"but for": "'except', 'without'",
    r"homes?(?! director)": "'its own node', 'the node of'",
}
WORDS = [(re.compile(rf"\b(?:{words})\b", re.IGNORECASE), advice) for words, advice in BANNED.items()]
FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1", re.MULTILINE | re.DOTALL)
NOT_PROSE = (
    FENCE,
    re.compile(r"<!-- .*? -->", re.DOTALL),
    re.compile(r"(`+)[^`]+?\1", re.DOTALL),
    re.compile(r"^> .*$", re.MULTILINE),  # a vendor's words, in a block
    re.compile(r"\"[^\"\n]{1,200}\"|“[^”]{1,400}”"),  # or in a sentence
    re.compile(r"\]\([^)]*\)|https?://\S+"),
)


@dataclass(frozen=True, order=True)
class Finding:
    """A word that our prose must not use."""

    file: str
    line: int
    word: str
    advice: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.word} ({self.advice})"


def find_banned(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the offset of each banned word in a text, the word, and what to write instead."""
    for pattern, advice in WORDS:
        for match in pattern.finditer(text):
            yield match.start(), " ".join(match[0].split()), advice


def without_code(text: str) -> str:
    """Return a text with code, quotations and addresses replaced by as many dots; line breaks stay."""
    for pattern in NOT_PROSE:
        text = pattern.sub(lambda match: re.sub(r"[^\n]", ".", match[0]), text)
    return text


def check_page(file: str, text: str) -> Iterator[Finding]:
    """Yield the findings of a Markdown page."""
    prose = without_code(text)
    for offset, word, advice in find_banned(prose):
        yield Finding(file, prose.count("\n", 0, offset) + 1, word, advice)


def check_module(file: str, source: str) -> Iterator[Finding]:
    """Yield the findings of a Python module: docstrings, comments and messages."""
    for line, text in (*_comments(source), *_strings(source)):
        prose = without_code(text)
        for offset, word, advice in find_banned(prose):
            yield Finding(file, line + prose.count("\n", 0, offset), word, advice)


def _comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith("#!"):
            yield token.start[0], token.string.lstrip("# ")


def _strings(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each string that has more than one word; an f-string is one text."""
    nodes = list(ast.walk(ast.parse(source)))
    formatted = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in formatted for part in node.values}
    plain = [node for node in nodes if isinstance(node, ast.Constant) and id(node) not in parts]
    texts = [(node.lineno, "".join(map(_part, node.values))) for node in formatted]
    texts += [(node.lineno, node.value) for node in plain if isinstance(node.value, str)]
    yield from ((line, text) for line, text in texts if " " in text.strip())


def _part(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else "…"


def check_tree(root: Path) -> list[Finding]:
    """Return the findings of all pages and modules below a folder."""
    found: list[Finding] = []
    for page in sorted(path for pattern in PAGES for path in root.glob(pattern)):
        found += check_page(str(page.relative_to(root)), page.read_text(encoding="utf-8"))
    for module in sorted(path for package in PACKAGES for path in (root / package).rglob("*.py")):
        found += check_module(str(module.relative_to(root)), module.read_text(encoding="utf-8"))
    return sorted(found)


def long_subjects(log: str) -> list[str]:
    """Return a line for each commit subject that is too long, from lines of `hash subject`."""
    commits = (line.partition(" ") for line in log.splitlines())
    return [
        f"commit {commit}: {len(subject)} characters, want at most {SUBJECT_MAX}: {subject}"
        for commit, _, subject in commits
        if len(subject) > SUBJECT_MAX
    ]


def read_log(root: Path) -> str | None:
    """Return `hash subject` of each commit after BASE, or None without git, a repository, or the commit."""
    try:
        return subprocesses.run(["git", "-C", str(root), "log", "--format=%h %s", f"{BASE}..HEAD"])
    except (OSError, subprocesses.ProcessError):
        return None


def main() -> int:
    """Print every finding and the number of findings per package; return 1 if there are any."""
    found = check_tree(ROOT)
    log = read_log(ROOT)
    subjects = [] if log is None else long_subjects(log)
    lines = [*map(str, found), *subjects]
    if log is None:
        lines.append(f"commit subjects not checked: no git history back to {BASE}")
    counts = Counter(one.file.partition("/")[0] for one in found)
    total = ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
    lines.append(f"banned words: {total}; commit subjects too long: {len(subjects)}")
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if found or subjects else 0


if __name__ == "__main__":
    sys.exit(main())

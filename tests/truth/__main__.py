"""`python -m tests.truth [WORDS ...]`: run the rows whose id has all of these words, and record what they showed.

Rows that are recorded are left out without --again, rows whose programs are not in the cache always; both are
printed. A row's lab is taken down before the next one starts. Then the confirmed rules and docs/truth.md are written.
"""

# ruff: noqa: T201 - printing is what a command does

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from reports.records import journal
from tests import confirmed
from tests.truth import page
from tests.truth.recording import FOLDER, Recording, write
from tests.truth.rows import ROWS
from topologies.lab.build import binaries, container_runtime
from topologies.lab.build.program_files import find_fault, report_version
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from reports.records.run import Run
    from tests.truth.rows import Row

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "truth.md"


def main() -> int:
    """Run the chosen rows; return 1 if one of them ended without a recording."""
    options = parser().parse_args()
    chosen = [row for row in ROWS if all(word in row.id for word in options.words)]
    recorded: list[str] = []
    broken: list[str] = []
    for row in chosen:
        if why := _left_out(row, again=options.again):
            print(f"{row.id}: left out: {why}")
            continue
        with tempfile.TemporaryDirectory(prefix="hairpin-truth-") as folder:
            (recorded if _ask(row, Path(folder)) else broken).append(row.id)
    if recorded:
        confirmed.main([])
        PAGE.write_text(page.markdown(), encoding="utf-8")
    print(f"{len(recorded)} rows recorded, {len(broken)} without a result{': ' * bool(broken)}{', '.join(broken)}")
    return 1 if broken else 0


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="python -m tests.truth", description=__doc__)
    made.add_argument("words", nargs="*", metavar="WORD", help="only rows with all of these words in their id")
    made.add_argument("--again", action="store_true", help="run rows that are recorded, too")
    return made


def _left_out(row: Row, *, again: bool) -> str:
    """Return why a row is not run; an empty string if it is."""
    if not again and (FOLDER / f"{row.id}.json").exists():
        return "recorded (--again runs it)"
    needed = {row.kubernetes: binaries.RELEASED, row.version: ("kube-proxy",)}
    for version, programs in needed.items():
        place = binaries.place(Version.parse(version), binaries.cache_dir())
        if any(find_fault(place / program) for program in programs):
            return f"no programs of {version} (hairpin lab get {version} {' '.join(programs)})"
    return ""


def _ask(row: Row, folder: Path) -> bool:
    """Run a row and write its recording; return whether the run has a result."""
    given = [f"--with={one}" for one in row.overrides]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", f"--topology={row.topology}", *given, f"--out={folder}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    down = [sys.executable, "-m", "hairpin", "lab", "down", f"--topology={row.topology}"]
    subprocess.run(down, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    lines = [line for line in ended.stdout.splitlines() if line.strip()]
    print(f"{row.id}: exit code {ended.returncode}: {next((line for line in lines if ' cells' in line), '')}")
    path = folder / "last" / "run.json"
    if not path.exists() or not (run := journal.load(path)).complete:
        print("\n".join([*lines[-15:], *ended.stderr.splitlines()[-15:]]))
        return False
    write(row, Recording.of(row, run, _what_ran(row, run)))
    return True


def _what_ran(row: Row, run: Run) -> dict[str, str]:
    """Return component -> version. The kernel is the nodes' own: that of a guest is not the machine's."""
    cache = binaries.cache_dir()
    control, own = (binaries.place(Version.parse(one), cache) for one in (row.kubernetes, row.version))
    return {
        "control plane": str(report_version(control / "kube-apiserver")),
        "kubelet": str(report_version(control / "kubelet")),
        "kube-proxy": str(report_version(own / "kube-proxy")),
        "container runtime": str(container_runtime.find(Version.parse(row.kubernetes), cache=cache)),
        "kernel": ", ".join(sorted({str(node.kernel) for node in run.nodes.values()})),
    }


if __name__ == "__main__":
    sys.exit(main())

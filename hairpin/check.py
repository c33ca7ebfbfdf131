"""`hairpin check`: discover a cluster, run the probes on what was found, and print the verdict."""

from __future__ import annotations

import datetime as dt
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hairpin import discover
from hairpin.verb import CommandError
from topologies.common.subprocesses import run_attached
from topologies.discovery.findings import list_names
from topologies.loading.load import load

if TYPE_CHECKING:
    import argparse

    from hairpin.verb import Verbs

ROOT = Path(__file__).parents[1]  # pytest's configuration and the suites are there
LATEST = "last"
DESCRIPTION = (
    "Discover a cluster, probe every cell of what was found, and print the verdict. The same as `hairpin discover -o "
    "FILE` and `pytest --topology=FILE`. Arguments after `--` go to pytest. Exit codes are those of the run."
)


def add(verbs: Verbs, summary: str) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("check", help=summary, description=DESCRIPTION)
    discover.add_options(parser)
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="where runs are written")
    parser.add_argument("-n", dest="workers", metavar="N", default="", help="workers of pytest-xdist")
    parser.add_argument("pytest", nargs="*", metavar="-- ARGUMENT", help="arguments of pytest")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Discover, run, and print where the run's results are; return its exit code, or 1 if the file is incomplete."""
    discover.refuse_options(options)
    text = discover.find(options)
    file = _write(options.out, text)
    if code := discover.report_complaints(text, str(file)):
        sys.stderr.write(f"the topology is in {file}: complete it, then run pytest --topology={file}\n")
        return code
    _keep_kubeconfig()
    before = _latest(options.out)
    code = run_attached(_command(options, file), cwd=ROOT)
    latest = _latest(options.out)
    sys.stdout.write(f"topology: {file}\n")
    if latest != before:
        page = latest / "report.html"
        sys.stdout.write(f"report:   {page if page.exists() else latest}\n{_unknown(file, latest)}")
    return code


def _write(out: Path, text: str) -> Path:
    """Write the file to the folder of runs, under a name of its own."""
    file = out.absolute() / f"discovered-{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}.yaml"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"--out: {file} cannot be written: {error.strerror or error}. Give another folder"
        raise CommandError(message) from error
    return file


def _keep_kubeconfig() -> None:
    """Make the paths in KUBECONFIG absolute: the run starts in another folder."""
    if given := os.environ.get("KUBECONFIG"):
        paths = (str(Path(path).absolute()) for path in given.split(os.pathsep) if path)
        os.environ["KUBECONFIG"] = os.pathsep.join(paths)


def _command(options: argparse.Namespace, file: Path) -> list[str]:
    given = {
        "kubeconfig": options.kubeconfig and str(Path(options.kubeconfig).absolute()),
        "context": options.context,
        "namespace": options.namespace,
    }
    passed = [f"--{flag}={value}" for flag, value in given.items() if value]
    workers = ["-n", options.workers] if options.workers else []
    own = [f"--topology={file}", f"--out={options.out.absolute()}"]
    return [sys.executable, "-m", "pytest", *own, *passed, *workers, *options.pytest]


def _latest(out: Path) -> Path:
    """Return the folder of the newest run: the target of `last`; `last` itself if there is no run."""
    return (out / LATEST).resolve()


def _unknown(file: Path, run: Path) -> str:
    """Return a line on the facts that are unknown, and the command that narrows them; empty if none is."""
    paths = sorted(load(str(file)).unknown)
    if not paths:
        return ""
    command = f"hairpin infer {run} --write {file}"
    return f"unknown:  {len(paths)} facts: {list_names(paths, 6)}. Which values fit: {command}\n"

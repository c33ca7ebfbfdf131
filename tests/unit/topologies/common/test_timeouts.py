"""The time limits that depend on each other, and the documentation of each."""

from __future__ import annotations

import ast
import inspect
from dataclasses import astuple, fields
from itertools import pairwise

from topologies.common import timeouts
from topologies.common.timeouts import TIMEOUTS, Timeouts


def test_every_limit_has_its_unit_in_its_name_and_a_docstring() -> None:
    (model,) = [node for node in ast.parse(inspect.getsource(timeouts)).body if isinstance(node, ast.ClassDef)]
    statements = model.body[1:]
    documented = {
        field.target.id
        for field, text in pairwise(statements)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr)
    }

    assert documented == {field.name for field in fields(Timeouts)}
    assert all(name.endswith("_s") for name in documented)
    assert all(seconds > 0 for seconds in astuple(TIMEOUTS))


def test_an_interrupted_run_has_time_to_delete_its_namespace() -> None:
    assert TIMEOUTS.remove_connect_s + TIMEOUTS.remove_answer_s < 7  # probes.lifecycle.shutdown.SECONDS


def test_a_step_of_the_lab_times_out_before_up_does() -> None:
    steps = (TIMEOUTS.lab_prepare_s, TIMEOUTS.control_plane_s, TIMEOUTS.guest_modes_s)

    assert sum(sorted(steps)[-2:]) < TIMEOUTS.lab_start_s

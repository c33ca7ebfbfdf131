"""The values of a fact that fit a run are those under which no cell fails that passes under another value."""

from __future__ import annotations

from typing import Any

import pytest

from probes.diagnosis.inference import Inference, infer
from tests.unit.probes.diagnosis.injected import Injected


def inferred(path: str, real: dict[str, Any]) -> Inference:
    """What a run of lab-flannel, whose cluster has these facts, shows about one fact."""
    judge, cells = Injected("inference", "lab-flannel", real=real).run()
    (found,) = infer(judge, cells, [path])
    return found


@pytest.mark.parametrize("version", ["1.20.2", "1.25.0"])
def test_a_version_fits_if_its_rules_give_what_was_observed(version: str) -> None:
    """A known version had no candidates: each was compared with the declared one, which was not given."""
    found = inferred("proxy.version", {"proxy.version": version})

    fitting = {str(one) for one in found.fitting}
    assert len(found.candidates) > 10
    assert str(found.declared) == "1.20.2"
    assert ("1.20.2" in fitting) is (version == "1.20.2")
    assert ("1.25.0" in fitting) is (version == "1.25.0")
    assert found.is_read


def test_a_declared_value_that_does_not_fit_is_news() -> None:
    found = inferred("load_balancer.listens", {"load_balancer.listens": False})

    assert (found.only, found.declared, found.is_news) == (False, True, True)
    assert found.text == "load_balancer.listens: false is the only one of 2 that fits (declared: true)"

"""A cluster of this machine: what starts too slowly is started again, and what fails otherwise is not."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.errors import InputError
from helpers.parallel import ray_cluster

ray = pytest.importorskip("ray")
LATE = "The current node timed out during startup. This could happen because some of the raylet failed to startup"


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """Errors of the next starts of Ray, in order; without one, a start succeeds, and nothing really starts."""
    errors: list[Exception] = []

    def init(**settings: Any) -> None:
        if errors:
            raise errors.pop(0)

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    return errors


def test_a_cluster_that_was_late_is_started_again(starts: list[Exception]) -> None:
    starts += [Exception(LATE), Exception(LATE)]
    with ray_cluster(num_cpus=1) as module:
        assert module is ray and not starts


def test_a_machine_that_is_too_busy_is_told(starts: list[Exception]) -> None:
    starts += [Exception(LATE) for _ in range(5)]
    with pytest.raises(InputError, match="in 3 tries") as caught, ray_cluster():
        pass
    assert "fewer workers" in str(caught.value) and len(starts) == 2


def test_another_error_is_raised_as_it_is(starts: list[Exception]) -> None:
    starts += [RuntimeError("no disk"), RuntimeError("another")]
    with pytest.raises(RuntimeError, match="no disk"), ray_cluster():
        pass
    assert len(starts) == 1

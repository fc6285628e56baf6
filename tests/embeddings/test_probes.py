"""What vectors can tell: probes by patient, and drift between sites."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.embeddings import drift, embed, probe_curve
from helpers.errors import InputError
from helpers.teaching import teaching_volume
from helpers.teaching.findings import HYPOXIA
from helpers.volumes import ct_to_rgb


def test_a_probe_reads_a_finding_from_vectors_and_nothing_from_shuffled_labels(embedder) -> None:
    volumes = [teaching_volume("ct-hypoxia", number) for number in range(300_000, 300_030)]
    vectors = np.stack([embed(embedder, ct_to_rgb(made.volume, made.chosen)).vector for made in volumes])
    labels = [HYPOXIA in made.findings for made in volumes]
    few, many = probe_curve(vectors, labels, sizes=[4, 18])
    assert np.mean(many.probe) > np.mean(many.majority) + 0.2
    assert np.mean(many.probe) >= np.mean(few.probe) - 0.05
    assert abs(np.mean(many.shuffled) - 0.5) < 0.15


def test_a_patient_is_never_on_both_sides_of_a_probe() -> None:
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(30), 4)
    vectors = np.repeat(rng.normal(size=(30, 64)), 4, axis=0)  # tell the patient, and nothing of the label
    labels = np.repeat(rng.integers(2, size=30), 4)
    leaking = probe_curve(vectors, labels, sizes=[70])[0]
    honest = probe_curve(vectors, labels, patients, sizes=[70])[0]
    assert np.mean(leaking.probe) > 0.9
    assert abs(np.mean(honest.probe) - 0.5) < 0.2
    with pytest.raises(InputError, match="left to learn from"):
        probe_curve(vectors, labels, patients, sizes=[100])
    with pytest.raises(InputError, match="same"):
        probe_curve(vectors, [1] * 120, sizes=[10])


def test_drift_is_seen_between_sites_and_not_within_one() -> None:
    rng = np.random.default_rng(0)
    one, same, shifted = rng.normal(size=(40, 32)), rng.normal(size=(30, 32)), rng.normal(0.5, 1, size=(30, 32))
    assert drift(one, same).p_value > 0.05
    moved = drift(one, shifted)
    assert moved.p_value == 0.001 and moved.distance > moved.usual
    p_values = [drift(*rng.normal(size=(2, 12, 8)), permutations=99, seed=k).p_value for k in range(40)]
    assert 0.3 < np.mean(p_values) < 0.7  # a true p-value is uniform where nothing differs
    with pytest.raises(InputError, match="cannot be compared"):
        drift(one, one[:, :5])


VECTORS, LABELS = np.random.default_rng(0).normal(size=(12, 4)), [0, 1] * 6
BAD = np.where(np.arange(48).reshape(12, 4) == 9, np.nan, VECTORS)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        *(({"sizes": [size]}, "not a whole number of 1 or more") for size in (-1, 0, 2.5, True)),
        ({"repeats": 0}, "not a whole number of 1 or more"),
        *(({"held_out": share}, "cannot be divided") for share in (0, 1, 1.5, 0.99, float("nan"))),
        ({"groups": ["one patient"] * 12}, "cannot be divided"),
        ({"vectors": BAD}, "1 rows hold values that are not finite, first row 2"),
        ({"vectors": VECTORS[:, 0]}, "not rows of numbers"),
    ],
)
def test_what_gives_no_figure_of_a_probe_is_refused(given: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        probe_curve(**{"vectors": VECTORS, "labels": LABELS, "sizes": [4], **given})


def test_a_small_share_holds_out_one_group() -> None:
    groups = np.repeat(["a", "b", "c"], 4)
    (point,) = probe_curve(VECTORS, LABELS, groups, sizes=[4], held_out=0.1, repeats=2)
    assert len(point.probe) == 2


def test_what_gives_no_p_value_is_refused() -> None:
    for one, words in ((BAD, "not finite"), (VECTORS[:, 0], "cannot be compared")):
        for pair in ((one, VECTORS), (VECTORS, one)):
            with pytest.raises(InputError, match=words):
                drift(*pair)
    with pytest.raises(InputError, match="permutations is 0"):
        drift(VECTORS, VECTORS, permutations=0)
    assert drift(VECTORS.tolist(), VECTORS.tolist(), permutations=9).p_value >= 0.1

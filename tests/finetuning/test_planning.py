"""The plan: what fits where, in which number format, and what cannot be planned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from helpers.errors import InputError
from helpers.finetuning import GPUS, Tuning, plan

REAL = "google/medgemma-1.5-4b-it"


@pytest.fixture(scope="module")
def volumes():
    """500 volumes of 85 slices, with weights of 16 and of 4 bits."""
    return {quantized: plan(REAL, examples=500, slices=85, quantized=quantized) for quantized in (False, True)}


def test_what_fits_where(volumes):
    assert not volumes[False].fits("L4") and not volumes[False].fits("RTX 4090")
    assert volumes[True].fits("L4") and volumes[True].fits("RTX 4090")
    assert volumes[False].fits("A100 40 GB")
    assert not volumes[True].fits("T4")
    assert volumes[True].total_on("T4") > 1.4 * volumes[True].total  # float32 there
    assert volumes[True].hours("T4") > 10 * volumes[True].hours("L4")
    assert set(volumes[True].memory) == set(volumes[True].memory_float32)


def test_disk_steps_and_hours(volumes):
    one = volumes[False]
    assert one.steps == 32 * 3
    assert one.disk == 500 * 85 * 256 * 2560 * 2  # 111 MB a volume
    images = 500 * 85 * 5.5e12  # operations: 0.41 billion weights on 4,096 patches, and attention
    assert one.encoding_hours("A100 40 GB") == pytest.approx(images / 312e12 / 0.35 / 3600, rel=0.03)
    again = plan(REAL, examples=500, slices=85, tuning=Tuning(cached=False))
    assert again.disk == again.encoding == 0
    assert again.operations - one.operations == pytest.approx(3 * one.encoding)
    assert again.total == pytest.approx(one.total, rel=0.01)  # the tower in small groups, of which nothing is kept


def test_the_table_names_every_part_and_gpu(volumes):
    text = str(volumes[True])
    assert "Computed, not measured" in text
    for name in (*volumes[True].memory, *GPUS):
        assert name in text
    assert text.count("does not fit") == sum(not volumes[True].fits(gpu) for gpu in GPUS)


def test_more_at_once_takes_more_and_batches_that_wait_take_nothing():
    one = plan(REAL, examples=500, slices=1)
    assert plan(REAL, examples=500, slices=1, tuning=Tuning(batch_size=64)).memory == one.memory
    assert plan(REAL, examples=500, slices=1, tuning=Tuning(at_once=2)).total > one.total


def test_what_cannot_be_planned():
    good = {"model": REAL, "examples": 500, "slices": 16}
    for wrong, said in [
        ({"slices": 200}, "over the budget"),
        ({"slices": -1}, "is not possible"),
        ({"examples": 0}, "is not possible"),
        ({"answer_tokens": 0}, "is not possible"),
        ({"quantized": True, "tuning": replace(Tuning(), rank=0)}, "cannot be trained"),
        ({"model": "gpt-2"}, "cannot plan the training"),
        ({"model": f"{REAL}+mine"}, "Merge the adapter first"),
    ]:
        with pytest.raises(InputError, match=said):
            plan(**(good | wrong))


def test_a_gpu_without_figures_is_an_error_that_names_the_others(volumes):
    for ask in (volumes[True].fits, volumes[True].hours, volumes[True].encoding_hours):
        with pytest.raises(InputError, match="V100"):
            ask("V100")

"""The validation loss is of all its answer tokens alike, however many rows go at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from helpers.finetuning import finetune
from helpers.finetuning.batches import Collator
from helpers.finetuning.training_data import prepare
from helpers.models import load_model
from helpers.prompts import image_messages
from tests.finetuning.conftest import QUICK, images
from tests.finetuning.test_checkpoints import Example, curve


def test_it_does_not_depend_on_how_many_rows_go_at_once(tmp_path: Path) -> None:
    pictures = [case.images[0] for case in images(3)]
    answers = ("no", "no", "This is a long answer, with many more words than the others have.")
    held = [
        Example(f"v{k}", answer, image_messages([picture], "Is this well?"), ())
        for k, (answer, picture) in enumerate(zip(answers, pictures, strict=True))
    ]
    settings = replace(QUICK, rank=4, alpha=16, epochs=1, patience=0, batch_size=6)
    losses = []
    for at_once in (1, 2, 3):
        tuned = finetune(
            load_model("standin", device="cpu"),
            images(6),
            held,
            tmp_path / f"{at_once}",
            replace(settings, at_once=at_once),
        )
        losses += curve(tmp_path / f"{at_once}", "eval_loss")
    assert losses == pytest.approx([losses[0]] * 3, rel=2e-3)  # the trainings round otherwise

    # By hand, from the logits of transformers.
    nll, tokens = 0.0, 0
    with torch.inference_mode():
        for row, example in zip(prepare(held, tuned.processor), held, strict=True):
            inputs = Collator([row], tuned)([{"row": 0}])
            pixels = tuned.inputs(example.messages)["mm_encoder_outputs"]
            given = {name: inputs[name] for name in ("input_ids", "token_type_ids")}
            logits = tuned.model(**given, mm_encoder_outputs=pixels).logits[0, :-1].float()
            labels = inputs["labels"][0, 1:]
            nll += float(torch.nn.functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum"))
            tokens += int((labels != -100).sum())
    assert nll / tokens == pytest.approx(losses[-1], rel=2e-3)

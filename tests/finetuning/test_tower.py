"""Image tokens made inside the forward: those of one pass, with its gradients, and in the memory of one group."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from peft import get_peft_model

from helpers.finetuning import Collator, prepare
from helpers.finetuning.tower import ImageTokens, through_tower
from helpers.finetuning.tuning import lora_config
from helpers.models import encode_images, pixel_batches
from helpers.prompts import images_of
from helpers.teaching import generate
from tests.finetuning.conftest import QUICK, SavedBytes

ADAPTED = replace(QUICK, adapt_vision=True, cached=False, dropout=0.0)


@pytest.fixture
def cases():
    """Three volumes, and a question without images between."""
    return [*generate("ct-staining", 2, 0), *generate("text", 1, 0), *generate("ct-staining", 1, 9)]


def adapted(chat, tuning):
    """The model with an adapter that is no longer zero."""
    model = get_peft_model(chat.model, lora_config(tuning)).train()
    torch.manual_seed(0)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    return model


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def one_pass(chat, batch, cases):
    """The batch as the model takes it without us: all pixels at once."""
    images = [image for case in cases for image in images_of(case.messages)]
    pixels = torch.cat(list(pixel_batches(images, chat.processor.image_processor)))
    return {k: v for k, v in batch.items() if k != "image_rows"} | {"pixel_values": pixels}


@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("tuning", [QUICK, ADAPTED], ids=["frozen", "adapted"])
def test_images_in_groups_give_loss_and_gradients_of_one_pass(chat, cases, tuning, checkpointed):
    rows = prepare(cases, chat.processor)
    batch = Collator(rows, chat)([{"row": k} for k in range(len(rows))])
    model = adapted(chat, replace(tuning, dropout=0.0))
    if checkpointed:
        model.gradient_checkpointing_enable()
    whole = model(**one_pass(chat, batch, cases)).loss
    expected = gradients(model, whole)
    with ImageTokens(rows, cases, chat).given_to_forward():
        loss = model(**batch).loss
        found = gradients(model, loss)
    assert loss.item() == pytest.approx(whole.item(), rel=1e-5)
    assert found.keys() == expected.keys()
    assert any("vision_tower" in name for name in found) == tuning.adapt_vision
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-6, msg=name)


def test_what_is_kept_for_the_backward_pass_does_not_grow_with_the_images(chat):
    model = adapted(chat, ADAPTED)
    side = chat.processor.image_processor.size["height"]
    kept = {}
    for images in (1, 9):
        groups = torch.randn(images, 3, side, side).split(1)
        with SavedBytes(model) as saved:
            tokens = through_tower(chat.model.model, groups)
        assert tokens.requires_grad
        kept[images] = saved.bytes
    pixels = 3 * side**2 * 4
    assert kept[9] - kept[1] == pytest.approx(8 * pixels, rel=0.01)
    model.requires_grad_(False)
    with SavedBytes(model) as saved:
        assert not through_tower(chat.model.model, groups).requires_grad
    assert saved.bytes == 0


def test_dropout_draws_the_same_when_a_group_runs_again(chat):
    model = adapted(chat, replace(ADAPTED, dropout=0.5))
    side = chat.processor.image_processor.size["height"]
    pixels = torch.randn(2, 3, side, side)
    torch.manual_seed(1)
    expected = gradients(model, sum(chat.model.get_image_features(p).pooler_output.sum() for p in pixels.split(1)))
    torch.manual_seed(1)
    found = gradients(model, through_tower(chat.model.model, pixels.split(1)).sum())
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5, msg=name)


def test_kept_tokens_are_taken_by_their_key_and_the_hook_ends_with_its_block(chat, cases):
    rows = prepare(cases, chat.processor)
    asked = []

    def features(key):
        asked.append(key)
        return made[key]

    made = {
        row.image_key: encode_images(chat.model, chat.processor.image_processor, images_of(case.messages)).clone()
        for row, case in zip(rows, cases, strict=True)
        if row.images
    }
    collate = Collator(rows, chat)
    batches = [collate([{"row": k}]) for k in range(len(rows))]
    assert asked == []  # a batch that waits holds no images
    assert [batch.get("image_rows") for batch in batches][2] is None
    with ImageTokens(rows, cases, chat, features).given_to_forward():
        cached = [chat.model(**batch).loss.item() for batch in batches]
    assert asked == [rows[k].image_key for k in (0, 1, 3)]
    with ImageTokens(rows, cases, chat).given_to_forward():
        assert cached == pytest.approx([chat.model(**batch).loss.item() for batch in batches], rel=1e-5)
    assert not chat.model.model._forward_pre_hooks


def test_checkpointing_keeps_no_gradient_of_the_patches(chat):
    model = adapted(chat, ADAPTED)
    model.enable_input_require_grads()  # as PEFT and TRL do: patches would be leaves with gradients of their own
    patches = []
    embedding = chat.model.model.vision_tower.get_input_embeddings()
    embedding.register_forward_hook(lambda module, args, made: patches.append(made))
    side = chat.processor.image_processor.size["height"]
    through_tower(chat.model.model, torch.randn(2, 3, side, side).split(1)).sum().backward()
    assert len(patches) == 4  # two images, there and back
    assert all(made.grad is None for made in patches)
    assert any(p.grad is not None for n, p in model.named_parameters() if "vision_tower" in n)

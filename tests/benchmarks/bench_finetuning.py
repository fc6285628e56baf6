"""Fine-tuning on volumes of 16 slices: images encoded once, or in every step, beside plain TRL.

``python -m tests.benchmarks.bench_finetuning`` trains an adapter for one and for three epochs; the time of a later
epoch follows from the two. Encoding the images and writing the adapter are counted. Models: the stand-in, and with
``--model mid-size`` a random Gemma 3 whose tower and language model are to each other as MedGemma's.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import functools
import io
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from transformers import Gemma3ForConditionalGeneration

from helpers.finetuning import Tuning, finetune
from helpers.finetuning.tuning import lora_config
from helpers.models import ChatModel, load_model
from helpers.prompts import volume_messages
from helpers.teaching import A_VOLUME, Case, generate
from helpers.volumes import ct_to_rgb, select_slices
from tests.benchmarks.measure import BUILD, Variant, measure, save, table
from tests.benchmarks.mid_size import mid_size_config

TUNING = Tuning(batch_size=4, learning_rate=1e-3, dropout=0.0)
SLICES = 16


@functools.cache
def _chat(name: str) -> ChatModel:
    chat = load_model("standin", device="cpu")
    if name == "standin":
        return chat
    # MedGemma 4B: 0.43 billion weights in the tower, 3.9 in the language model; 16 patches become one token.
    config = mid_size_config(chat.model.config, layers=9)
    vision = config.vision_config
    vision.hidden_size, vision.intermediate_size, vision.num_hidden_layers, vision.image_size = 256, 960, 10, 224
    torch.manual_seed(0)
    model = Gemma3ForConditionalGeneration(config).eval()
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.05)
    processor = copy.deepcopy(chat.processor)
    processor.image_processor.size = {"height": 224, "width": 224}
    return replace(chat, name=name, model=model, processor=processor)


class Example:
    """A teaching volume, read to images beforehand, so that its reading is in no measurement."""

    def __init__(self, case: Case) -> None:
        volume = case.volume()
        images = ct_to_rgb(volume, select_slices(volume.shape[0], SLICES))
        self.id, self.group, self.options, self.answer = case.id, case.group, case.options, case.answer
        self.messages = volume_messages(images, case.question)


def _examples(n: int) -> list[Example]:
    return [Example(case) for case in generate("ct", A_VOLUME * n, 0)[::A_VOLUME]]


def _quietly(work: Callable[[], object]) -> int:
    with contextlib.redirect_stdout(io.StringIO()):
        work()
    return 0


def plain_trl(model: str, examples: int, epochs: int) -> Callable[[], int]:
    """TRL alone: its own collator, images resized and encoded in every step."""
    chat, cases = _chat(model), _examples(examples)
    return lambda: _quietly(lambda: _train_plain(chat, cases, epochs))


def _train_plain(chat: ChatModel, cases: list[Example], epochs: int) -> None:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = [
        {
            "images": [part["image"] for part in case.messages[0]["content"] if part["type"] == "image"],
            "prompt": [
                {
                    "role": "user",
                    "content": [
                        {"type": part["type"], "text": part.get("text")} for part in case.messages[0]["content"]
                    ],
                }
            ],
            "completion": [{"role": "assistant", "content": [{"type": "text", "text": case.answer}]}],
        }
        for case in cases
    ]
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder,
            num_train_epochs=epochs,
            per_device_train_batch_size=1,
            gradient_accumulation_steps=TUNING.batch_size,
            learning_rate=TUNING.learning_rate,
            activation_checkpointing=False,
            bf16=False,
            use_cpu=True,
            max_length=None,
            save_strategy="no",
            report_to="none",
        )
        SFTTrainer(
            model=chat.model,
            args=arguments,
            train_dataset=Dataset.from_list(rows),
            processing_class=chat.processor,
            peft_config=lora_config(TUNING),
        ).train()


def every_step(model: str, examples: int, epochs: int) -> Callable[[], int]:
    """finetune(cached=False): images encoded in every step."""
    return _ours(model, examples, epochs, cached=False)


def encoded_once(model: str, examples: int, epochs: int) -> Callable[[], int]:
    """finetune: images encoded once, kept on disk."""
    return _ours(model, examples, epochs, cached=True)


def _ours(model: str, examples: int, epochs: int, cached: bool) -> Callable[[], int]:
    chat, cases = _chat(model), _examples(examples)
    tuning = replace(TUNING, epochs=epochs, cached=cached)

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            finetune(chat, cases, [], Path(folder) / "adapter", tuning)

    return lambda: _quietly(work)


def main() -> None:
    """Measure one epoch and three, print the tables and write them as JSON into build."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", choices=["standin", "mid-size"], default="standin")
    parser.add_argument("--examples", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    measured = {}
    for epochs in (1, 3):
        rows = measure(
            {
                way.__doc__.partition(":")[0]: Variant(
                    f"{__spec__.name}:{way.__name__}",
                    {"model": options.model, "examples": options.examples, "epochs": epochs},
                )
                for way in (plain_trl, every_step, encoded_once)
            },
            options.repeats,
        )
        print(f"\n### {epochs} epochs\n", table(rows, baseline=next(iter(rows))), sep="\n", flush=True)
        measured |= {f"{epochs} epochs, {way}": row for way, row in rows.items()}
    print("\n### an epoch after the first\n")
    for way in rows:
        one, three = (measured[f"{epochs} epochs, {way}"] for epochs in (1, 3))
        cpu_seconds = (three.cpu_seconds - one.cpu_seconds) / 2
        print(f"{way}: {(three.seconds - one.seconds) / 2:.2f} s, {cpu_seconds:.2f} CPU s")
    save(BUILD / f"bench_finetuning_{options.model}.json", measured)


if __name__ == "__main__":
    main()

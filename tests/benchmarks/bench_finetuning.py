"""Fine-tuning on volumes of 16 slices: images encoded once, or in every step, beside plain TRL.

``python -m tests.benchmarks.bench_finetuning`` trains an adapter of the stand-in for one and for three epochs; the
time of a later epoch follows from the two. Encoding the images and writing the adapter are counted.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

from helpers.cases import Case, generate
from helpers.finetuning import Tuning, finetune, lora_config
from helpers.models import ChatModel, load_model
from helpers.prompts import volume_messages
from helpers.volumes import ct_to_rgb, select_slices
from tests.benchmarks.measure import BUILD, Variant, measure, save, table

TUNING = Tuning(batch_size=4, learning_rate=1e-3, dropout=0.0)
SLICES = 16


class Example:
    """A teaching volume, read to images beforehand, so that its reading is in no measurement."""

    def __init__(self, case: Case) -> None:
        volume = case.volume()
        images = ct_to_rgb(volume, select_slices(volume.shape[0], SLICES))
        self.id, self.group, self.options, self.answer = case.id, case.group, case.options, case.answer
        self.messages = volume_messages(images, case.question)


def _examples(n: int) -> list[Example]:
    return [Example(case) for case in generate("ct", n, 0)]


def _quietly(work: Callable[[], object]) -> int:
    with contextlib.redirect_stdout(io.StringIO()):
        work()
    return 0


def plain_trl(examples: int, epochs: int) -> Callable[[], int]:
    """TRL alone: its own collator, images resized and encoded in every step."""
    chat, cases = load_model("standin", device="cpu"), _examples(examples)
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


def every_step(examples: int, epochs: int) -> Callable[[], int]:
    """finetune(cached=False): images encoded in every step."""
    return _ours(examples, epochs, cached=False)


def encoded_once(examples: int, epochs: int) -> Callable[[], int]:
    """finetune: images encoded once, kept on disk."""
    return _ours(examples, epochs, cached=True)


def _ours(examples: int, epochs: int, cached: bool) -> Callable[[], int]:
    chat, cases = load_model("standin", device="cpu"), _examples(examples)
    tuning = Tuning(**{**TUNING.__dict__, "epochs": epochs, "cached": cached})

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            finetune(chat, cases, [], Path(folder) / "adapter", tuning)

    return lambda: _quietly(work)


def main() -> None:
    """Measure one epoch and three, print the tables and write build/bench_finetuning.json."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--examples", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    measured = {}
    for epochs in (1, 3):
        rows = measure(
            {
                way.__doc__.partition(":")[0]: Variant(
                    f"{__spec__.name}:{way.__name__}", {"examples": options.examples, "epochs": epochs}
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
    save(BUILD / "bench_finetuning.json", measured)


if __name__ == "__main__":
    main()

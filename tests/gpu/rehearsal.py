"""The real model's size on one GPU in at most ten minutes: random weights, true shapes, figures beside the plan's.

    python -m tests.gpu.rehearsal --output build/rehearsal

It needs no token and no connection. On a CPU it runs with two layers and few images, to show that it runs.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from helpers.errors import InputError
from helpers.models import ChatModel, load_model, memory_for
from helpers.models.prompt_memory import prompt_bytes
from tests.gpu.attention_kernels import kernels
from tests.gpu.decoding import adapters, tokens
from tests.gpu.noise import WAYS, prompt
from tests.gpu.random_model import write_random_model
from tests.gpu.records import Records, release
from tests.gpu.tuning import four_bits, training


def counts(records: Records) -> tuple[int, ...]:
    """Numbers of images: those of the issue at hand, and few where a CPU is to get through."""
    return (1, 16, 85, 126) if records.on_gpu else (1, 2)


def peaks(records: Records, chat: ChatModel) -> None:
    """Memory of a prompt beside what the check counts, for each way to read it."""
    text = chat.model.config.get_text_config()
    width = torch.finfo(chat.model.dtype).bits // 8
    for way in WAYS if records.on_gpu else WAYS[:1]:
        for count in counts(records):
            for whole in (True, False):
                messages = prompt(chat, count, whole_eights=whole)
                n = chat.count_tokens(messages).total
                asked = replace(chat, prefill=way)
                _, seconds, peak = records.measured(lambda asked=asked, m=messages: asked.generate(m, 1))
                counted = prompt_bytes(text, n, width, way) / 1e9
                part = None if peak is None else peak / counted
                figures = {"seconds": seconds, "peak_gb": peak, "counted_gb": counted, "part": part}
                records.note("peaks", f"{count} images, {n} tokens, {way}", **figures)


def prefill(records: Records, chat: ChatModel) -> None:
    """Seconds to read the images of a session, by each way, the second time."""
    count = counts(records)[-1]
    messages = prompt(chat, min(count, 85))
    for way in WAYS if records.on_gpu else WAYS[:1]:
        for turn in ("first", "second"):
            with replace(chat, prefill=way).session(messages) as session:
                records.note("prefill", f"{min(count, 85)} images, {way}, {turn} time", seconds=session.seconds)


def caps(records: Records, chat: ChatModel) -> None:
    """What fits when the GPU had 16, 24 or 40 GB: the check's word, and what then happens."""
    if not records.on_gpu:
        records.note("caps", "left out", reason="needs a GPU")
        return
    for cap in (16, 24, 40):
        free, total = torch.cuda.mem_get_info()
        taken = max(0, total - cap * 10**9 - (total - free))
        ballast = torch.empty(taken, dtype=torch.uint8, device=records.device)
        for count in (85, 126):
            for way in WAYS:
                try:
                    replace(chat, prefill=way).generate(prompt(chat, count), 1)
                    word = "fits"
                except InputError as error:
                    word = error.problem[:120]
                records.note("caps", f"{cap} GB, {count} images, {way}", word=word)
        del ballast
        release()


STEPS = (  # and about how many seconds each needs on a fast GPU
    (kernels, 20),
    (peaks, 60),
    (prefill, 20),
    (caps, 60),
    (tokens, 90),
    (adapters, 60),
    (four_bits, 60),
    (training, 90),
)


def rehearse(
    output: Path,
    device: str,
    *,
    folder: Path | None = None,
    layers: int | None = None,
    minutes: float = 10,
    only: Sequence[str] = (),
) -> Records:
    """Take all figures and write them to ``output``.

    Args:
        output: ``rehearsal.jsonl``, a line as soon as it is there, and ``rehearsal.md``.
        device: "cuda" or "cpu".
        folder: of a saved model, in place of random weights.
        layers: of random weights; None takes all.
        minutes: steps that would end later are left out.
        only: names of steps; none takes all.
    """
    output.mkdir(parents=True, exist_ok=True)
    (output / "rehearsal.jsonl").unlink(missing_ok=True)
    records = Records(output, device, minutes)
    with tempfile.TemporaryDirectory() as scratch:
        if folder is None:
            folder = Path(scratch, "random")
            _, seconds, _ = records.measured(lambda: write_random_model(folder, layers, device))
            records.note("write", "random weights", seconds=seconds, layers=layers or "all", device=device)
        chat, seconds, peak = records.measured(lambda: load_model(str(folder), device=device))
        weights = sum(f.stat().st_size for f in folder.glob("*.safetensors"))
        needs = memory_for(weights, device, quantized=False)
        figures: dict[str, Any] = {"seconds": seconds, "peak_gb": peak, "weights_gb": weights / 1e9}
        records.note("load", str(chat.model.dtype), **figures, needed_for_85_gb=needs.needed_gb)
        for step, seconds in STEPS:
            if not only or step.__name__ in only:
                records.run(step, chat, seconds if records.on_gpu else 0)
    (output / "rehearsal.md").write_text(records.table(), encoding="utf-8")
    return records


def main() -> None:
    """Read the command line and rehearse."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("build/rehearsal"), metavar="DIR")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--model", type=Path, metavar="DIR", help="a saved model in place of random weights")
    parser.add_argument("--layers", type=int, metavar="N", help="default: all on a GPU, two on a CPU")
    parser.add_argument("--minutes", type=float, default=10, metavar="M", help="default: %(default)s")
    parser.add_argument("--only", nargs="+", default=[], choices=[step.__name__ for step, _ in STEPS])
    options = parser.parse_args()
    on_gpu = options.device.startswith("cuda")
    if not on_gpu:
        print("No GPU: two layers and few images. The figures show that this runs, and nothing else.")
    records = rehearse(
        options.output,
        options.device,
        folder=options.model,
        layers=options.layers or (None if on_gpu else 2),
        minutes=options.minutes,
        only=options.only,
    )
    print(records.table())


if __name__ == "__main__":
    main()

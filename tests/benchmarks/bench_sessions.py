"""Many questions about one volume of 85 slices: sessions beside asking each question by itself.

Run: python -m tests.benchmarks.bench_sessions

All ways have to give the same answers. Models: the stand-in, and with ``--model mid-size`` a Gemma 3 of about 100
million random weights, in which the language model is most of the work. Time to load a model and to read the files
is left out, and the answers are cut after 16 tokens.
"""

from __future__ import annotations

import argparse
import copy
import functools
from collections.abc import Callable
from dataclasses import replace

import torch
from transformers import Gemma3ForConditionalGeneration

from helpers.data import fetch
from helpers.models import ChatModel, load_model
from helpers.prompts import CT_QUESTION, Message, volume_messages, with_question
from helpers.volumes import ct_to_rgb, read_volume, select_slices
from tests.benchmarks.measure import BUILD, Variant, measure, save, table
from tests.benchmarks.mid_size import mid_size_config

CONDITIONS = ["intracranial haemorrhage", "oedema", "infarct", "skull fracture", "midline shift", "hydrocephalus"]
TOKENS = 16


@functools.cache
def _chat(name: str) -> ChatModel:
    chat = load_model("standin", device="cpu")
    if name == "standin":
        return chat
    config = mid_size_config(chat.model.config, layers=13)
    # Tied, every answer would repeat the last token of its prompt.
    config.tie_word_embeddings = config.text_config.tie_word_embeddings = False
    torch.manual_seed(0)
    model = Gemma3ForConditionalGeneration(config).eval()
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.05)
    model.generation_config = copy.deepcopy(chat.model.generation_config)
    model.generation_config.eos_token_id = [1]  # random weights like to end a turn at once
    return replace(chat, name=name, model=model)


def _volume() -> list[Message]:
    volume = read_volume(fetch("ct-head"))
    return volume_messages(ct_to_rgb(volume, select_slices(volume.shape[0])), None)


def _questions(n: int) -> list[str]:
    names = [CONDITIONS[k % len(CONDITIONS)] for k in range(n)]
    return [CT_QUESTION.format(history=f"Headache, day {k}.", condition=name) for k, name in enumerate(names)]


def one_by_one(model: str, questions: int) -> Callable[[], list[str]]:
    """each question by itself: the images are encoded and read again every time."""
    chat, volume, asked = _chat(model), _volume(), _questions(questions)
    return lambda: [chat.generate(with_question(volume, q), max_new_tokens=TOKENS).text for q in asked]


def one_session(model: str, questions: int, together: int = 18) -> Callable[[], list[str]]:
    """a session: the images are encoded and read once, and 18 questions are asked together."""
    chat, volume, asked = _chat(model), _volume(), _questions(questions)

    def work() -> list[str]:
        with chat.session(volume) as session:
            return [reply.text for reply in session.ask_all(asked, batch_size=together, max_new_tokens=TOKENS)]

    return work


def in_turn(model: str, questions: int) -> Callable[[], list[str]]:
    """a session, in turn: one question after another, and none together."""
    return one_session(model, questions, together=1)


def main() -> None:
    """Measure 1 to 36 questions, print the tables and write build/bench_sessions_MODEL.json."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", choices=["standin", "mid-size"], default="standin")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--questions", type=int, nargs="+", default=[1, 2, 4, 9, 18, 36])
    options = parser.parse_args()
    measured = {}
    for n in options.questions:
        rows = measure(
            {
                way.__doc__.partition(":")[0]: Variant(
                    f"{__spec__.name}:{way.__name__}", {"model": options.model, "questions": n}
                )
                for way in (one_by_one, in_turn, one_session)
            },
            options.repeats,
        )
        if len({str(row.result) for row in rows.values()}) > 1:
            raise SystemExit(f"{n} questions: the ways do not give the same answers")
        print(f"\n### {n} questions\n", table(rows, baseline=next(iter(rows))), sep="\n", flush=True)
        measured |= {f"{n} questions, {way}": row for way, row in rows.items()}
    save(BUILD / f"bench_sessions_{options.model}.json", measured)


if __name__ == "__main__":
    main()

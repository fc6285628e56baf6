"""``medgemma-tutorials evaluate``: many cases with known answers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from helpers.cli.model import add_tuned
from helpers.errors import InputError


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser("evaluate", help="ask a model many cases with known answers, and score it")
    parser.add_argument(
        "--model", default="standin", metavar="M", help="name, folder, or endpoint:URL#MODEL; default: %(default)s"
    )
    add_tuned(parser)
    parser.add_argument(
        "--cases",
        metavar="FILE|teaching:KIND",
        help="your own table (.csv or .jsonl; see --columns), or teaching:ct, :mri, :slide, :image",
    )
    parser.add_argument(
        "--prepared", metavar="DIR", help="output of prepare, from which a table's images are taken"
    )
    parser.add_argument("--n", type=int, default=40, help="teaching cases; default: %(default)s")
    parser.add_argument("--seed", type=int, default=2_000_000, help="of teaching cases; default: %(default)s")
    parser.add_argument("--max-new-tokens", type=int, default=512, metavar="N", help="default: %(default)s")
    parser.add_argument("--output", metavar="DIR", help="answers.jsonl and scores.json go here")
    parser.add_argument("--columns", action="store_true", help="print the columns of a table, and end")
    parser.add_argument("--example", metavar="FILE", help="write a table that runs, with its images, and end")
    parser.add_argument("--may-leave", default="", metavar="WHY", help="why images may go to that endpoint")
    parser.add_argument(
        "--ray", nargs="?", const="", metavar="ADDRESS", help="by workers on Ray: here, or on a running cluster"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="with --ray; default: as many as there is room")
    parser.add_argument(
        "--engine", choices=("transformers", "vllm"), help="default: with --ray vllm where it can run"
    )
    parser.set_defaults(command=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from helpers.evaluation import cases_from, check_output, columns_text, summary, write_example
    from helpers.models import check_batch, read_adapter

    if options.columns:
        print(columns_text())
        return 0
    if options.example is not None:
        print(*write_example(options.example), sep="\n")
        return 0
    for name in ("cases", "output"):
        if getattr(options, name) is None:
            raise InputError(f"--{name} is missing.", remedy=f"Give --{name}; --columns and --example need none.")
    # All is checked before a model is loaded.
    if options.ray is None or "://" not in options.output:
        check_output(options.output)
    check_batch(options.vision_batch)
    if options.adapter is not None:
        read_adapter(options.adapter)
    cases = cases_from(options.cases, options.n, options.seed, options.prepared)
    scores = (_ask_here if options.ray is None else _ask_on_ray)(options, cases)
    print(summary(scores))
    print(f"Answers and scores: {options.output}")
    return 1 if scores["failed"] else 0


def _ask_here(options: argparse.Namespace, cases: Sequence[Any]) -> dict[str, Any]:
    from helpers.endpoints import ENDPOINT_PREFIX
    from helpers.evaluation import run_evaluation
    from helpers.models import load_engine, load_model
    from helpers.teaching import for_model

    if options.workers is not None:
        raise InputError("Workers are Ray's.", remedy="Give --ray too, or no --workers.")
    if options.engine and options.model.startswith(ENDPOINT_PREFIX):
        raise InputError("A server has its own engine.", path=options.model, remedy="Leave out --engine.")
    teaching = options.cases.startswith("teaching:")
    may_leave = options.may_leave or ("made from the bundled, public images" if teaching else "")
    sources = None if teaching else list(dict.fromkeys(source for case in cases for source in case.sources))
    if options.engine == "vllm":
        _check_default_batch(options, "vLLM makes its own batches")
        chat = load_engine(options.engine, options.model, options.adapter)
    else:
        chat = load_model(
            options.model,
            adapter=options.adapter,
            vision_batch=options.vision_batch,
            sources=sources,
            may_leave=may_leave,
        )
    cases = for_model(cases, chat, allowed=True)  # naming them asks for them
    return run_evaluation(chat, cases, options.output, max_new_tokens=options.max_new_tokens)


def _ask_on_ray(options: argparse.Namespace, cases: Sequence[Any]) -> dict[str, Any]:
    from helpers.evaluation import evaluate_on_ray
    from helpers.models import is_standin
    from helpers.teaching import for_any_model

    if options.cases.startswith("teaching:") and not is_standin(options.model):
        cases = for_any_model(cases)
    _check_default_batch(options, "Workers on Ray begin with 8 images at once")
    return evaluate_on_ray(
        options.model,
        cases,
        options.output,
        address=options.ray or None,
        workers=options.workers,
        max_new_tokens=options.max_new_tokens,
        adapter=options.adapter,
        engine=options.engine,
    )


def _check_default_batch(options: argparse.Namespace, why: str) -> None:
    if options.vision_batch != 8:
        raise InputError(f"{why}.", remedy="Leave out --vision-batch.")

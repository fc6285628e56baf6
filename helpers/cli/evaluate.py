"""``medgemma-tutorials evaluate``: many cases with known answers."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from typing import Any

from helpers.cli.model import add_max_new_tokens, add_tuned
from helpers.errors import InputError
from helpers.prompts import check_max_new_tokens


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
    add_max_new_tokens(parser)
    parser.add_argument("--output", metavar="DIR", help="answers.jsonl and scores.json go here")
    parser.add_argument(
        "--stress",
        action="store_true",
        help="ask each case in other words, negated, and without its images too: does the model look, and hold?",
    )
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
    if options.columns:
        from helpers.evaluation import columns_text

        print(columns_text())
        return 0
    if options.example is not None:
        from helpers.evaluation import write_example

        print(*write_example(options.example), sep="\n")
        return 0
    from helpers.evaluation import cases_from, check_output, stress_summary, stress_variants, summary
    from helpers.models import check_batch, check_context, read_adapter

    for name in ("cases", "output"):
        if getattr(options, name) is None:
            raise InputError(f"--{name} is missing.", remedy=f"Give --{name}; --columns and --example need none.")
    # All is checked before a model is loaded.
    if options.ray is None or "://" not in options.output:
        check_output(options.output)
    check_batch(options.vision_batch)
    check_max_new_tokens(options.max_new_tokens)
    check_context(options.context)
    if options.adapter is not None:
        read_adapter(options.adapter)
    cases = cases_from(options.cases, options.n, options.seed, options.prepared)
    if options.stress:
        stress_variants(cases)  # none that can be asked in other ways is told now
    scores = (_ask_here if options.ray is None else _ask_on_ray)(options, cases)
    print(summary(scores))
    stress = scores.get("stress")
    if stress:
        print(stress_summary(stress))
    print(f"Answers and scores: {options.output}")
    return 1 if scores["failed"] or (stress and stress["failed"]) else 0


def _ask_here(options: argparse.Namespace, cases: Sequence[Any]) -> dict[str, Any]:
    from helpers.endpoints import ENDPOINT_PREFIX
    from helpers.evaluation import run_evaluation, run_stressed
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
        chat = load_engine(
            options.engine,
            options.model,
            options.adapter,
            context=options.context,
            vision_batch=options.vision_batch,
        )
    else:
        chat = load_model(
            options.model,
            adapter=options.adapter,
            vision_batch=options.vision_batch,
            context=options.context,
            sources=sources,
            may_leave=may_leave,
        )
    cases = for_model(cases, chat, allowed=True)  # naming them asks for them
    evaluate = functools.partial(run_evaluation, chat, max_new_tokens=options.max_new_tokens)
    return run_stressed(evaluate, cases, options.output) if options.stress else evaluate(cases, options.output)


def _ask_on_ray(options: argparse.Namespace, cases: Sequence[Any]) -> dict[str, Any]:
    from helpers.evaluation import evaluate_on_ray, run_stressed
    from helpers.models import is_standin
    from helpers.teaching import for_any_model

    if options.cases.startswith("teaching:") and not is_standin(options.model):
        cases = for_any_model(cases)
    evaluate = functools.partial(
        evaluate_on_ray,
        options.model,
        address=options.ray or None,
        workers=options.workers,
        max_new_tokens=options.max_new_tokens,
        adapter=options.adapter,
        engine=options.engine,
        context=options.context,
        vision_batch=options.vision_batch,
    )
    return run_stressed(evaluate, cases, options.output) if options.stress else evaluate(cases, options.output)

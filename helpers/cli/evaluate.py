"""``medgemma-tutorials evaluate``: many cases with known answers."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from typing import Any

from helpers.cli.checks import check_folder, check_model
from helpers.cli.kinds import TEACHING, check_kind, kinds_text, names_no_kind
from helpers.cli.model import add_asked_model
from helpers.cli.workers import add_ray
from helpers.endpoints import ENDPOINT_PREFIX
from helpers.errors import InputError

EXAMPLES = (
    ("medgemma-tutorials evaluate --cases teaching", "list the kinds of teaching cases"),
    ("medgemma-tutorials evaluate --cases teaching:ct --n 8 --output outputs/ct", "ask eight CT cases"),
    ("medgemma-tutorials evaluate --example mine.csv", "write an example table, to change into your own"),
    ("medgemma-tutorials evaluate --cases mine.csv --output outputs/mine", "ask a table of your own"),
    ("medgemma-tutorials report outputs/ct outputs/mine", "compare the answers of both runs"),
)

TAUGHT, SEED = 40, 2_000_000  # teaching cases, if nothing else is said


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "evaluate",
        help="ask a model many cases with known answers, and score its answers",
        description="Ask a model many cases with known answers, and score the answers. If you start a stopped run "
        "again, it asks only the cases that are missing. Exit code 1 means that some cases failed.",
        examples=EXAMPLES,
    )
    group = parser.add_argument_group("the cases")
    group.add_argument(
        "--cases",
        metavar="CASES",
        help="a table of your own (.csv or .jsonl; see --columns), or teaching:KIND for cases that come "
        "with the course; the word teaching alone lists the kinds",
    )
    group.add_argument("--n", type=int, metavar="N", help=f"how many teaching cases; default: {TAUGHT}")
    group.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help=f"the seed of the teaching cases: another number draws other cases; default: {SEED}",
    )
    group.add_argument(
        "--prepared",
        metavar="DIR",
        help="take the images of the table from this folder, which the command prepare wrote",
    )
    group.add_argument(
        "--stress",
        action="store_true",
        help="also ask each case in other words, negated, and without its images, to see whether the model "
        "keeps its answer",
    )
    group = parser.add_argument_group("a table to start from")
    group.add_argument("--columns", action="store_true", help="print the columns of a table, and end")
    group.add_argument("--example", metavar="FILE", help="write a small table with its images, and end")
    group = add_asked_model(parser)
    group.add_argument(
        "--engine",
        choices=("transformers", "vllm"),
        help="the library that runs the model; default: transformers; with --ray: vllm where it can run",
    )
    group = parser.add_argument_group("many workers")
    add_ray(group, "ask")
    group.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="how many workers --ray starts; default: as many as the cluster has room for",
    )
    group = parser.add_argument_group("output")
    group.add_argument("--output", metavar="DIR", help="the folder for answers.jsonl and scores.json")
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
    if names_no_kind(options.cases):
        print(kinds_text())
        return 0
    _check(options)
    from helpers.evaluation import cases_from, check_output

    n, seed = (TAUGHT if options.n is None else options.n), (SEED if options.seed is None else options.seed)
    cases = cases_from(options.cases, n, seed, options.prepared)
    from helpers.evaluation import stress_summary, stress_variants, summary  # these load more packages

    if options.stress:
        stress_variants(cases)  # an error if none can be asked in other ways
    if options.ray is None or "://" not in options.output:
        check_output(options.output)
    scores = (_ask_here if options.ray is None else _ask_on_ray)(options, cases)
    print(summary(scores))
    stress = scores.get("stress")
    if stress:
        print(stress_summary(stress))
    print(f"Answers and scores: {options.output}")
    return 1 if scores["failed"] or (stress and stress["failed"]) else 0


def _check(options: argparse.Namespace) -> None:
    """Raise `InputError` for options that do not go together, before images are read and a model is loaded."""
    for name in ("cases", "output"):
        if getattr(options, name) is None:
            raise InputError(f"--{name} is missing.", remedy=f"Give --{name}; --columns and --example need none.")
    check_kind(options.cases)
    if not options.cases.startswith(f"{TEACHING}:") and (options.n, options.seed) != (None, None):
        raise InputError(
            "--n and --seed choose teaching cases, and a table is asked as a whole.",
            path=options.cases,
            remedy="Leave them out. To ask a part of a table, write that part into a table of its own.",
        )
    check_folder(options.output)
    if not options.ray:  # the machines of a cluster may have other models than this one
        check_model(options.model)
    if options.ray is None and options.workers is not None:
        raise InputError("--workers needs --ray.", remedy="Add --ray, or leave out --workers.")
    if options.ray is None and options.engine and options.model.startswith(ENDPOINT_PREFIX):
        raise InputError(
            "The server of this model chooses the engine itself.",
            path=options.model,
            remedy="Leave out --engine.",
        )


def _ask_here(options: argparse.Namespace, cases: Sequence[Any]) -> dict[str, Any]:
    from helpers.evaluation import run_evaluation, run_stressed
    from helpers.models import load_engine, load_model
    from helpers.teaching import for_model

    teaching = options.cases.startswith(f"{TEACHING}:")
    may_leave = options.may_leave or ("made from the bundled, public images" if teaching else "")
    sources = None if teaching else list(dict.fromkeys(source for case in cases for source in case.sources))
    if options.engine == "vllm":
        _check_sent_here(options)
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
            image_format=options.image_format,
        )
    cases = _for_others(cases, for_model(cases, chat, allowed=True))  # who names them wants them
    evaluate = functools.partial(run_evaluation, chat, max_new_tokens=options.max_new_tokens)
    return run_stressed(evaluate, cases, options.output) if options.stress else evaluate(cases, options.output)


def _for_others(drawn: Sequence[Any], kept: list[Any]) -> list[Any]:
    """The cases that a model other than the stand-in is asked. Says how many are left out."""
    if not kept:
        raise InputError(
            f"None of the {len(drawn)} cases has an answer that holds for another model than the stand-in.",
            remedy="Draw more cases (--n), or choose another kind.",
        )
    if left := len(drawn) - len(kept):
        print(f"{left} of {len(drawn)} cases are left out: only the stand-in declines, or speaks of itself.")
    return kept


def _check_sent_here(options: argparse.Namespace) -> None:
    if options.image_format:
        raise InputError(
            "Only a server gets images in a format that you choose.",
            path=options.model,
            remedy="Leave out --image-format.",
        )


def _ask_on_ray(options: argparse.Namespace, cases: Sequence[Any]) -> dict[str, Any]:
    _check_sent_here(options)
    from helpers.evaluation import evaluate_on_ray, run_stressed
    from helpers.models import is_standin
    from helpers.teaching import for_any_model

    if options.cases.startswith(f"{TEACHING}:") and not is_standin(options.model):
        cases = _for_others(cases, for_any_model(cases))
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

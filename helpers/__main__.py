"""The command line: ``python -m helpers COMMAND``. Each command loads what it needs when it is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from helpers.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 something failed, 2 bad input, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m helpers",
        description="MedGemma tutorials. For education; not a medical device and not for diagnosis.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the notebooks in order and write a report of the run")
    run.add_argument("--model", metavar="M", help='MODEL of every notebook, e.g. "google/medgemma-1.5-4b-it"')
    run.add_argument("--only", nargs="+", default=[], metavar="NN", help="only these notebooks, e.g. 02 04")
    run.add_argument("--output", default="outputs/run", metavar="DIR", help="default: %(default)s")
    run.add_argument("--notebooks", metavar="DIR", help="folder of the notebooks; default: the checkout's own")
    run.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a parameter of the notebooks, e.g. -p LIMIT 20 (repeatable; a number, true, false, None or a text)",
    )
    run.set_defaults(command=_run)

    ask = commands.add_parser("ask", help="ask a model about images of your own")
    ask.add_argument(
        "path",
        metavar="PATH",
        help="DICOM series or study folder, NIfTI, whole slide, 2D image, or a manifest name",
    )
    ask.add_argument("question", help="in your words, in quotes")
    ask.add_argument(
        "--model", default="standin", metavar="M", help="name, folder, or endpoint:URL#MODEL; default: %(default)s"
    )
    ask.add_argument("--modality", choices=("ct", "mri"), help="of NIfTI, which does not record it")
    ask.add_argument("--series", nargs="+", default=[], metavar="N", help="only these DICOM series numbers")
    ask.add_argument("--options", nargs="+", default=[], metavar="A", help="what can be answered, e.g. yes no")
    ask.add_argument("--max-new-tokens", type=int, default=512, metavar="N", help="default: %(default)s")
    ask.add_argument("--may-leave", default="", metavar="WHY", help="why images may go to an endpoint unchecked")
    ask.add_argument("--json", action="store_true", help="print one JSON object, and all else to stderr")
    ask.set_defaults(command=_ask)

    evaluate = commands.add_parser("evaluate", help="ask a model many cases with known answers, and score it")
    evaluate.add_argument(
        "--model", default="standin", metavar="M", help="name, folder, or endpoint:URL#MODEL; default: %(default)s"
    )
    evaluate.add_argument("--adapter", metavar="DIR", help="folder of an adapter for that model")
    evaluate.add_argument(
        "--cases",
        required=True,
        metavar="FILE|teaching:KIND",
        help="your own table (.csv or .jsonl; columns in helpers.labelled), or teaching:ct, :mri, :slide, :image",
    )
    evaluate.add_argument(
        "--prepared", metavar="DIR", help="output of prepare, from which a table's images are taken"
    )
    evaluate.add_argument("--n", type=int, default=40, help="teaching cases; default: %(default)s")
    evaluate.add_argument("--seed", type=int, default=2_000_000, help="of teaching cases; default: %(default)s")
    evaluate.add_argument("--max-new-tokens", type=int, default=512, metavar="N", help="default: %(default)s")
    evaluate.add_argument("--output", required=True, metavar="DIR", help="answers.jsonl and scores.json go here")
    evaluate.add_argument("--may-leave", default="", metavar="WHY", help="why images may go to that endpoint")
    evaluate.add_argument(
        "--ray", nargs="?", const="", metavar="ADDRESS", help="by workers on Ray: here, or on a running cluster"
    )
    evaluate.add_argument("--workers", type=int, metavar="N", help="with --ray; default: as many as there is room")
    evaluate.add_argument(
        "--engine", choices=("transformers", "vllm"), help="default: with --ray vllm where it can run"
    )
    evaluate.set_defaults(command=_evaluate)

    prepare = commands.add_parser(
        "prepare",
        help="make prompt-ready images of a folder or bucket, once",
        description="Make a Parquet shard of prompt-ready images of each volume, slide and image. What cannot be "
        "read is listed in _quarantine.jsonl with its reason, counted in the line at the end, and does not change "
        "the exit code, which is 0.",
    )
    prepare.add_argument(
        "path", metavar="PATH", help="file, folder, manifest name, or address such as s3://BUCKET"
    )
    prepare.add_argument("--output", required=True, metavar="DIR", help="folder or address of the shards")
    prepare.add_argument("--modality", choices=("ct", "mri"), help="of NIfTI, which does not record it")
    prepare.add_argument(
        "--limit", type=int, metavar="N", help="slices or patches of each, at most; default: 85, 126"
    )
    prepare.add_argument("--workers", type=int, metavar="N", help="processes; default: 1, with --ray all cores")
    prepare.add_argument(
        "--ray", nargs="?", const="", metavar="ADDRESS", help="by workers on Ray: here, or on a running cluster"
    )
    prepare.add_argument("--retry", action="store_true", help="try again what was quarantined and has not changed")
    prepare.set_defaults(command=_prepare)

    serve = commands.add_parser("serve", help="serve a model on this machine, and on no other, until Ctrl-C")
    serve.add_argument("--model", default="standin", metavar="M", help="name or folder; default: %(default)s")
    serve.add_argument("--port", type=int, default=0, metavar="N", help="default: one that is free")
    serve.set_defaults(command=_serve)

    finetune = commands.add_parser(
        "finetune", help="train an adapter, on one or (accelerate launch) several devices"
    )
    finetune.add_argument(
        "--config", required=True, metavar="FILE", help="start from helpers/configs/finetune.yaml"
    )
    finetune.set_defaults(command=_finetune)

    report = commands.add_parser("report", help="write one report of several evaluations side by side")
    report.add_argument("runs", nargs="+", metavar="DIR", help="output folders of evaluate")
    report.add_argument("--output", default="outputs/report", metavar="DIR", help="default: %(default)s")
    report.set_defaults(command=_report)

    gallery = commands.add_parser("gallery", help="build a static site from a run of the notebooks")
    gallery.add_argument("--run", default="outputs/run", metavar="DIR", help="default: %(default)s")
    gallery.add_argument("--output", default="outputs/gallery", metavar="DIR", help="default: %(default)s")
    gallery.add_argument("--notebooks", metavar="DIR", help="folder of the notebooks; default: the checkout's own")
    gallery.set_defaults(command=_gallery)

    doctor = commands.add_parser("doctor", help="say what this machine can run")
    doctor.add_argument("--json", action="store_true", help="as JSON")
    doctor.set_defaults(command=_doctor)

    badges = commands.add_parser("badges", help="write the launch links into the notebooks and README.md")
    badges.add_argument("--check", action="store_true", help="change nothing; fail if one is out of date")
    badges.set_defaults(command=_badges)
    return parser


def _run(options: argparse.Namespace) -> int:
    from helpers.notebook_parameters import typed_value
    from helpers.runner import NOTEBOOKS, run_notebooks

    summary = run_notebooks(
        options.output,
        folder=options.notebooks or NOTEBOOKS,
        only=options.only,
        model=options.model,
        parameters={name: typed_value(text) for name, text in options.parameters},
    )
    failed = [record for record in summary["notebooks"] if record["status"] != "ok"]
    for record in failed:
        print(f"{record['notebook']} failed at {record['error']}", file=sys.stderr)
    print(f"{len(summary['notebooks']) - len(failed)} of {len(summary['notebooks'])} notebooks ran through.")
    return 1 if failed else 0


def _ask(options: argparse.Namespace) -> int:
    import json
    from contextlib import redirect_stdout

    from helpers.ask import ask_path

    with redirect_stdout(sys.stderr if options.json else sys.stdout):
        asked = ask_path(
            options.path,
            options.question,
            model=options.model,
            modality=options.modality,
            series=options.series,
            options=options.options,
            may_leave=options.may_leave,
            max_new_tokens=options.max_new_tokens,
        )
    if options.json:
        print(json.dumps(asked, ensure_ascii=False))
        return 0
    print(f"\n{asked['answer']}{'' if asked['finished'] else ' (cut off)'}\n")
    cost = f"{asked['prompt_tokens']:,} tokens in, {asked['completion_tokens']} out, {asked['seconds']:.1f} s"
    print(f"{cost}, {asked['model']}. For education and not for diagnosis.")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from helpers.evaluation_report import summary
    from helpers.labelled import cases_from

    # Checked whole before a model is loaded.
    cases = cases_from(options.cases, options.n, options.seed, options.prepared)
    scores = (_ask_here if options.ray is None else _ask_on_ray)(options, cases)
    print(summary(scores))
    print(f"Answers and scores: {options.output}")
    return 1 if scores["failed"] else 0


def _ask_here(options: argparse.Namespace, cases: Sequence[Any]) -> dict[str, Any]:
    from helpers.addresses import PREFIX
    from helpers.evaluation import run_evaluation
    from helpers.models import load_model
    from helpers.vllm_engine import load_engine

    if options.workers is not None:
        raise InputError("Workers are Ray's.", remedy="Give --ray too, or no --workers.")
    if options.engine and options.model.startswith(PREFIX):
        raise InputError("A server has its own engine.", path=options.model, remedy="Leave out --engine.")
    teaching = options.cases.startswith("teaching:")
    may_leave = options.may_leave or ("made from the bundled, public images" if teaching else "")
    sources = None if teaching else list(dict.fromkeys(case.source for case in cases))
    if options.engine == "vllm":
        chat = load_engine(options.engine, options.model, options.adapter)
    else:
        chat = load_model(options.model, adapter=options.adapter, sources=sources, may_leave=may_leave)
    return run_evaluation(chat, cases, options.output, max_new_tokens=options.max_new_tokens)


def _ask_on_ray(options: argparse.Namespace, cases: Sequence[Any]) -> dict[str, Any]:
    from helpers.distributed import evaluate_on_ray

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


def _prepare(options: argparse.Namespace) -> int:
    from helpers.prepared import prepare
    from helpers.workers import Killed, in_processes

    mapped: Any = map
    if options.ray is not None:
        from helpers.ray_cluster import ray_map

        mapped = ray_map(options.ray or None, options.workers, lost=Killed)
    elif options.workers not in (None, 1):
        mapped = in_processes(options.workers)
    summary = prepare(
        options.path,
        options.output,
        modality=options.modality,
        limit=options.limit,
        retry=options.retry,
        mapped=mapped,
    )
    print(summary)
    return 0


def _serve(options: argparse.Namespace) -> int:
    from helpers.serving import serve

    print("Starting the server.", flush=True)
    with serve(options.model, options.port) as served:
        print(f"{served.url} answers ({served.kind}), for this machine alone. To use it:", flush=True)
        print(f'MODEL = "{served.model}"\nCtrl-C stops it.', flush=True)
        return served.process.wait()


def _finetune(options: argparse.Namespace) -> int:
    from helpers.finetuning_config import finetune_from, read_config

    print(f"Adapter: {finetune_from(read_config(options.config))}")
    return 0


def _report(options: argparse.Namespace) -> int:
    from helpers.evaluation_report import write_report

    for path in write_report(options.runs, options.output):
        print(path)
    return 0


def _gallery(options: argparse.Namespace) -> int:
    from helpers.gallery import build_gallery
    from helpers.runner import NOTEBOOKS

    site = build_gallery(options.run, options.output, notebooks=options.notebooks or NOTEBOOKS)
    print(f"Gallery: {site}")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from helpers.doctor import examine, report

    findings = examine()
    print(report(findings, as_json=options.json))
    return 1 if findings["problems"] else 0


def _badges(options: argparse.Namespace) -> int:
    from helpers.badges import update_badges

    changed = update_badges(check=options.check)
    for path in changed:
        print(f"{path.name}: {'out of date' if options.check else 'updated'}")
    if changed and options.check:
        print("Write them with: python -m helpers badges", file=sys.stderr)
        return 1
    if not changed:
        print("All launch links are up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The command line: join all commands, and turn their errors into messages and exit codes."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence

from helpers import __version__
from helpers.cli import (
    ask,
    badges,
    bench_serve,
    benchmark,
    doctor,
    evaluate,
    finetune,
    gallery,
    merge,
    prepare,
    record,
    report,
    run,
    serve,
)
from helpers.cli.checks import check
from helpers.cli.parser import Parser
from helpers.cli.quiet import delay_bars
from helpers.errors import InputError

COMMANDS = (
    *(
        run,
        ask,
        benchmark,
        evaluate,
        prepare,
        serve,
        bench_serve,
        finetune,
        merge,
        record,
        report,
        gallery,
        doctor,
        badges,
    ),
)
EXAMPLES = (
    ("medgemma-tutorials doctor", "say what this machine can run"),
    (
        'medgemma-tutorials ask ct-head "Is there a haemorrhage?" --options yes no',
        "ask about a CT that comes with the course",
    ),
    ("medgemma-tutorials evaluate --cases teaching", "list the cases that a model can be tried on"),
    ("medgemma-tutorials run --only 01", "run the first notebook"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 something failed, 2 bad input, 130 interrupted.

    An error is printed as a line on standard error. With --json, it is an object on standard output: ``{"error":
    {"message": ..., "path": ..., "remedy": ...}}``.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser, commands = command_parsers()
    as_json = _wants_json(words, commands)
    try:
        options, left = parser.parse_known_args(words)
        if left:
            commands[options.chosen].error(f"unrecognized arguments: {' '.join(left)}")
        check(options)
        delay_bars()
        code = options.command(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader, such as head, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except InputError as error:
        _tell(error, f"error: {error}", as_json)
        return 2
    except KeyboardInterrupt:
        _tell(InputError("You interrupted the command."), "\ninterrupted", as_json)
        return 130
    except Exception as error:  # a fault of this program, or of the machine
        if not as_json:
            raise
        traceback.print_exc()
        _tell(InputError(f"{type(error).__name__}: {error}"), "", as_json)
        return 1


def command_parsers() -> tuple[Parser, dict[str, Parser]]:
    """The parser of the whole line, and the parsers of the commands by their names."""
    parser = Parser(
        prog="medgemma-tutorials",
        description="Ask MedGemma about CT, MRI, whole slides and 2D images, score it and tune it. For education; "
        "not a medical device and not for diagnosis. Each command has a --help of its own.",
        examples=EXAMPLES,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", dest="chosen")
    for command in COMMANDS:
        command.add(commands)
    for each in commands.choices.values():
        each.add_help_option()
    group = parser.add_help_option()
    group.add_argument(
        "--version", action="version", version=f"%(prog)s {__version__}", help="show the version and end"
    )
    return parser, commands.choices


def _wants_json(words: Sequence[str], commands: dict[str, Parser]) -> bool:
    """Whether errors should be JSON, also an error in the words themselves, from which no options result."""
    given = words[: words.index("--")] if "--" in words else words
    return bool(given) and given[0] in commands and "--json" in given and commands[given[0]].has_option("--json")


def _tell(error: InputError, line: str, as_json: bool) -> None:
    if as_json:
        told = {"message": error.problem, "path": error.path, "remedy": error.remedy}
        print(json.dumps({"error": told}, ensure_ascii=False))
    else:
        print(line, file=sys.stderr)

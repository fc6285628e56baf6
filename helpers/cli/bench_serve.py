"""``medgemma-tutorials bench-serve``: how fast a server answers, with one caller and with several at once."""

from __future__ import annotations

import argparse
import contextlib
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from helpers.cli.checks import check_model
from helpers.cli.model import add_model
from helpers.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from helpers.prompts import Message

EXAMPLES = (
    ("medgemma-tutorials bench-serve --callers 1 2 4", "the stand-in, behind a server on this machine"),
    ("medgemma-tutorials bench-serve --model endpoint:https://HOST/v1#NAME --images 85", "your server"),
)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "bench-serve",
        help="measure how fast a server answers, with one caller and with several",
        description="Measure a server: requests a second, seconds to the first token, and tokens a second, with "
        "1 to 32 callers at once. The images are slices of the bundled head CT, which is public. A model without "
        "an address is served on this machine for as long as it takes.",
        examples=EXAMPLES,
    )
    add_model(parser)
    group = parser.add_argument_group("the load")
    group.add_argument(
        "--callers",
        type=int,
        nargs="+",
        metavar="N",
        help="how many callers at once, one measurement each; default: 1 2 4 8 16 32",
    )
    group.add_argument(
        "--rounds", type=int, default=2, metavar="N", help="requests of each caller; default: %(default)s"
    )
    group.add_argument(
        "--images", type=int, default=1, metavar="N", help="images of a request, up to 85; default: %(default)s"
    )
    group.add_argument(
        "--max-new-tokens", type=int, default=64, metavar="N", help="tokens of an answer; default: %(default)s"
    )
    group.add_argument(
        "--shared",
        action="store_true",
        help="let all requests begin with the same images, like questions about one volume; a server that keeps "
        "the beginning of prompts is then faster",
    )
    group = parser.add_argument_group("output")
    group.add_argument("--output", metavar="FILE", help="a new .json file for the same figures")
    parser.set_defaults(command=_bench_serve)


def _bench_serve(options: argparse.Namespace) -> int:
    from helpers.endpoints import CALLERS, ENDPOINT_PREFIX, measure_loads
    from helpers.models import load_model, serve
    from helpers.storage import free_place, write_json

    if options.output:
        free_place(options.output)
    check_model(options.model)
    if options.model.startswith("recorded:"):
        raise InputError("Recorded replies are not served.", path=options.model, remedy="Give a server.")
    prompt = _prompts(options.images, options.shared)
    loads = []
    with contextlib.ExitStack() as running:
        address = options.model
        if not address.startswith(ENDPOINT_PREFIX):
            print("Starting the server.", flush=True)
            address = running.enter_context(serve(options.model)).model
        chat = load_model(address, may_leave="slices of the bundled head CT, which is public")
        print(f"{options.images} images a request, {'the same' if options.shared else 'new'} in each:")
        print("callers  requests  failed  requests/s  first token s (slowest)  answer s  tokens/s", flush=True)
        measured = measure_loads(
            chat,
            prompt,
            callers=options.callers or CALLERS,
            rounds=options.rounds,
            max_new_tokens=options.max_new_tokens,
        )
        for load in measured:
            first = f"{load.first_token:.2f} ({load.slowest_first_token:.2f})"
            times = f"{load.requests_per_second:10.2f}  {first:>23}  {load.answer:8.2f}"
            rates = f"{times}  {load.tokens_per_second:8.1f} {load.counted}"
            print(f"{load.callers:7}  {load.requests:8}  {load.failed:6}  {rates}", flush=True)
            if load.first_failure:
                print(f"         {load.first_failure}")
            loads.append(asdict(load))
    if options.output:
        about = {"model": chat.name, "is_standin": chat.is_standin, "images": options.images}
        about |= {"shared": options.shared, "max_new_tokens": options.max_new_tokens}
        print(write_json(options.output, about | {"loads": loads}))
    if chat.is_standin:
        print("The stand-in is about a thousandth of MedGemma: these figures say nothing about MedGemma.")
    return 0


def _prompts(images: int, shared: bool) -> Callable[[int], list[Message]]:
    """The prompt of each request, by its number."""
    from PIL import Image

    from helpers import fetch, read_volume
    from helpers.prompts import MAX_SLICES, image_messages
    from helpers.volumes import ct_to_rgb

    if not 1 <= images <= MAX_SLICES:
        raise InputError(f"A request cannot have {images} images here.", remedy=f"Give 1 to {MAX_SLICES}.")
    volume = read_volume(fetch("ct-head"), modality="CT")
    first = (volume.shape[0] - images) // 2
    slices = [Image.fromarray(rgb) for rgb in ct_to_rgb(volume, range(first, first + images))]
    run = time.time_ns() % 2**24  # so that nothing is as in an earlier run either

    def prompt(number: int) -> list[Message]:
        if shared:
            return image_messages(slices, f"Question {run}-{number}: describe these slices of a head CT.")
        marked = [image.copy() for image in slices]
        for image in marked:  # with two pixels of its own, because servers keep what they made of an image
            image.putpixel((0, 0), tuple(run.to_bytes(3, "big")))
            image.putpixel((1, 0), tuple(number.to_bytes(3, "big")))
        return image_messages(marked, "Describe these slices of a head CT.")

    return prompt

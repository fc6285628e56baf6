"""Read and write a folder of recorded replies, for people who cannot run the model.

``about.json`` says which model, where and when. ``replies.jsonl`` has a line for each reply, under the key of its
prompt (`helpers.prompts.prompt_key`: its words and its pixels) and the token limit that it was asked with. Lines
are only ever added, so a recording that was interrupted can go on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from helpers.errors import InputError
from helpers.prompts import Message, Reply, images_of, prompt_key
from helpers.storage import make_folder, write_json

RECORDED_PREFIX = "recorded:"  # stands before the folder in a model's name
# ``medgemma-tutorials record`` sets this variable to FOLDER#MODEL for the notebooks that it runs. If they load
# other models, the replies of those are not recorded.
RECORD_TO = "MEDGEMMA_RECORD"
ABOUT, REPLIES = "about.json", "replies.jsonl"
FORMAT = 1
_OF_REPLY = ("text", "thinking", "prompt_tokens", "completion_tokens", "seconds", "finished")
_QUESTION = 200  # characters of the words after the images that are kept for people who read the file

Place = tuple[str, int]  # the key of a prompt, and the token limit that it was asked with
Likelihoods = dict[str, float | None]  # as `helpers.evaluation` computes them from a model's logits


@dataclass(frozen=True)
class About:
    """The model that gave the replies, and the device on which it ran."""

    model: str
    revision: str  # the commit on Hugging Face, or a hash of the weights of a folder
    is_standin: bool
    dtype: str  # "bfloat16", "float32", "4-bit NF4"
    device: str  # the name of the GPU, or "cpu"
    context: int  # the most tokens of a prompt
    image_tokens: int  # tokens of one image
    wrapper_tokens: int  # tokens around one image
    versions: Mapping[str, str]
    date: str  # the day on which the recording began, "2026-01-31"
    peak_memory_mb: int = 0  # in 1e6 bytes: the memory of torch on a GPU, else that of the process
    format: int = FORMAT

    @property
    def name(self) -> str:
        """The label of answers that use these replies."""
        return f"{self.model}, recorded {self.date}"


@dataclass
class Recording:
    """The recorded replies of a folder."""

    folder: Path
    about: About
    replies: dict[Place, Reply] = field(default_factory=dict)
    likelihoods: dict[Place, Likelihoods] = field(default_factory=dict)

    def place(self, messages: Sequence[Message], max_new_tokens: int) -> Place | None:
        """The place of the reply to a prompt; None if it was not recorded.

        A finished reply is the same under every limit that has room for it, because it was written greedily. A
        reply that was cut off belongs only to its own limit.
        """
        key = prompt_key(messages)
        for (of, limit), reply in self.replies.items():
            fits = reply.completion_tokens <= max_new_tokens if reply.finished else limit == max_new_tokens
            if of == key and fits:
                return of, limit
        return None


def recorded_folder(name: str) -> Path:
    """The folder that a name ``"recorded:FOLDER"`` means."""
    return Path(name.removeprefix(RECORDED_PREFIX)).expanduser()


def read_recording(folder: str | os.PathLike[str]) -> Recording:
    """Read all recorded replies of a folder.

    Raises `InputError` if there is no recording, if it has another format, or if a line is damaged. An interrupted
    run may leave a last line that is cut off. This line does not count.
    """
    folder = Path(folder)
    recording = Recording(folder, read_about(folder))
    path = folder / REPLIES
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            place = row["prompt"], row["max_new_tokens"]
            if "likelihoods" in row:
                recording.likelihoods[place] = dict(row["likelihoods"])
            else:
                recording.replies[place] = Reply(**{name: row[name] for name in _OF_REPLY})
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"Line {number} is not a recorded reply ({type(error).__name__}: {error}).",
                path=path,
                remedy="Copy the complete folder again, or record the replies again.",
            ) from error
    return recording


def read_about(folder: Path) -> About:
    """Read the description of a folder's replies. Raises as `read_recording` does."""
    path = folder / ABOUT
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"it is of format {content['format']}, and this version reads {FORMAT}")
        return About(**content)
    except OSError:
        raise InputError(
            f"This folder holds no recorded replies, because the file {ABOUT} is missing.",
            path=folder,
            remedy="Give the folder that you gave to medgemma-tutorials record --output.",
        ) from None
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"The description of the replies cannot be read ({error}).",
            path=path,
            remedy="Copy the complete folder again, or record the replies again.",
        ) from error


class Recorder:
    """Adds replies to a folder. A reply that the folder already has is not written again.

    Raises `InputError` if the folder holds replies of another model, revision or number format.
    """

    def __init__(self, folder: str | os.PathLike[str], about: About) -> None:
        self._folder = make_folder(folder)
        self._done: set[tuple[Place, bool]] = set()
        self._about = about
        if (self._folder / ABOUT).is_file():
            recording = read_recording(self._folder)
            self._check_same(recording.about)
            self._about = recording.about
            self._done = {(place, False) for place in recording.replies}
            self._done |= {(place, True) for place in recording.likelihoods}
            self._cut_off_the_rest()
        else:
            self._write_about()

    def keep(self, messages: Sequence[Message], max_new_tokens: int, reply: Reply) -> None:
        """Add a reply."""
        last = messages[-1]["content"][-1].get("text", "") if messages[-1]["content"] else ""
        row = {"images": len(images_of(messages)), "question": last.strip()[-_QUESTION:]}
        row |= {name: getattr(reply, name) for name in _OF_REPLY} | {"seconds": round(reply.seconds, 4)}
        self._add((prompt_key(messages), max_new_tokens), row)

    def keep_likelihoods(
        self, messages: Sequence[Message], max_new_tokens: int, likelihoods: Mapping[str, float | None]
    ) -> None:
        """Add the likelihoods of a reply."""
        self._add((prompt_key(messages), max_new_tokens), {"likelihoods": dict(likelihoods)})

    def note_memory(self, megabytes: int) -> None:
        """Keep the largest memory that was in use at any time."""
        if megabytes > self._about.peak_memory_mb:
            self._about = replace(self._about, peak_memory_mb=megabytes)
            self._write_about()

    def _add(self, place: Place, row: Mapping[str, Any]) -> None:
        mark = (place, "likelihoods" in row)
        if mark in self._done:
            return
        line = json.dumps({"prompt": place[0], "max_new_tokens": place[1], **row}, ensure_ascii=False)
        with (self._folder / REPLIES).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._done.add(mark)

    def _write_about(self) -> None:
        write_json(self._folder / ABOUT, asdict(self._about))

    def _check_same(self, there: About) -> None:
        ours, theirs = ((one.model, one.revision, one.dtype) for one in (self._about, there))
        if ours != theirs:
            raise InputError(
                f"This folder holds replies of {' '.join(theirs)}, but the model is {' '.join(ours)}.",
                path=self._folder,
                remedy="Record into another folder.",
            )

    def _cut_off_the_rest(self) -> None:
        """Remove a last line that was not written whole."""
        path = self._folder / REPLIES
        if path.is_file():
            content = path.read_bytes()
            os.truncate(path, content.rfind(b"\n") + 1)

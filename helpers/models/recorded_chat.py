"""Give replies of a model again from a folder in which they were recorded.

This computes nothing and reads only the folder, so it needs neither torch nor a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn

from helpers.endpoints import estimate_tokens
from helpers.errors import InputError
from helpers.models.recordings import Likelihoods, Recording, read_recording, recorded_folder
from helpers.prompts import (
    MAX_NEW_TOKENS,
    Message,
    Reply,
    TokenCount,
    check_max_new_tokens,
    images_of,
    prompt_key,
)


@dataclass(frozen=True)
class RecordedModel:
    """A recording that answers like a `helpers.models.ChatModel`. A prompt that was not recorded is an error."""

    recording: Recording = field(repr=False)

    model: ClassVar[None] = None  # a recording has neither; code that needs them checks for None
    processor: ClassVar[None] = None
    engine: ClassVar[str] = "recorded"

    @property
    def name(self) -> str:
        """The model and the day of the recording."""
        return self.recording.about.name

    @property
    def revision(self) -> str:
        """The revision of the recorded model."""
        return self.recording.about.revision

    @property
    def is_standin(self) -> bool:
        """Whether the recorded model is the stand-in."""
        return self.recording.about.is_standin

    @property
    def context(self) -> int:
        """The most tokens of a prompt, as the recorded model was loaded."""
        return self.recording.about.context

    def count_tokens(self, messages: Sequence[Message]) -> TokenCount:
        """The tokens of a prompt: the recorded number if there is one, else an estimate.

        Raises `InputError` when they are over the budget that the model was loaded with.
        """
        about, key = self.recording.about, prompt_key(messages)
        found = next((reply for (of, _), reply in self.recording.replies.items() if of == key), None)
        count = estimate_tokens(messages, about.image_tokens)
        if found is not None:
            image, wrapper = (count.images * each for each in (about.image_tokens, about.wrapper_tokens))
            count = TokenCount(count.images, image, wrapper, found.prompt_tokens - image - wrapper)
        if count.budgeted > self.context:
            raise InputError(
                f"The prompt is {count}, which is over the budget of {self.context:,} with which the "
                "replies were recorded.",
                path=self.recording.folder,
                remedy="Use fewer images or a shorter text.",
            )
        return count

    def generate(
        self,
        messages: Sequence[Message],
        max_new_tokens: int = MAX_NEW_TOKENS,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        """The recorded reply, with the tokens and seconds that it took when it was recorded.

        ``on_text`` is called once, with the whole reply. Raises `InputError` for a prompt that was not recorded.
        """
        reply, _ = self.recorded(messages, max_new_tokens)
        if on_text:
            on_text(reply.text)
        return reply

    def recorded(self, messages: Sequence[Message], max_new_tokens: int) -> tuple[Reply, Likelihoods | None]:
        """The recorded reply and its recorded likelihoods, or None if none were computed.

        Raises as `generate` does.
        """
        check_max_new_tokens(max_new_tokens)
        place = self.recording.place(messages, max_new_tokens)
        if place is None:
            raise self._not_recorded(messages, max_new_tokens)
        return self.recording.replies[place], self.recording.likelihoods.get(place)

    def session(self, messages: Sequence[Message], **settings: Any) -> NoReturn:
        """Raise `InputError`, because a recording reads no images that questions could share."""
        raise InputError(
            "Recorded replies have no session.",
            path=self.recording.folder,
            remedy="Ask each question with generate, which also finds replies that were recorded in a session.",
        )

    def _not_recorded(self, messages: Sequence[Message], limit: int) -> InputError:
        about, key = self.recording.about, prompt_key(messages)
        if any(of == key for of, _ in self.recording.replies):
            what = f"This prompt was recorded with another limit than {limit} new tokens"
        else:
            n = len(images_of(messages))
            what = f"No reply was recorded to this prompt ({n} image{'' if n == 1 else 's'})"
        return InputError(
            f"{what}, so the question, the images or the parameters differ from the recording.",
            path=self.recording.folder,
            remedy="Ask exactly what was recorded, or choose another model. You can also record again on a "
            f"machine that can run {about.model}: medgemma-tutorials record --model {about.model} "
            "--output FOLDER",
        )


def open_recorded(name: str) -> RecordedModel:
    """Open the recording of a name ``"recorded:FOLDER"``, and print in one line what it is.

    Raises `InputError` as `read_recording` does.
    """
    recording = read_recording(recorded_folder(name))
    about = recording.about
    replies = "1 reply" if len(recording.replies) == 1 else f"{len(recording.replies)} replies"
    line = f"{replies} of {about.model}, recorded on {about.date} on {about.device} in {about.dtype}."
    line += " Nothing is computed here."
    if about.is_standin:
        line += " This is not MedGemma: a stand-in for trying the code, not for medicine."
    print(line)
    return RecordedModel(recording)

"""A form in a notebook: choose an image, write a question, see its cost, and watch the answer come."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import ipywidgets

from helpers.errors import InputError
from helpers.prompts import MAX_NEW_TOKENS, Message, Reply, images_of
from helpers.viewers.answer import reply_html
from helpers.viewers.picture_widget import Picture, Viewer


class AskBox(Viewer):
    """A form that asks ``chat`` when its button is pressed. So a notebook that runs unattended does not wait.

    Args:
        chat: a `helpers.models.ChatModel`.
        prompts: a dictionary from names, among which the user chooses, to functions that turn the words of a
            question into a prompt.
        question: the question that the form begins with.
        max_new_tokens: the most tokens of an answer.

    The widgets are attributes: ``choice``, ``question``, ``button``, ``count``, ``error``, ``answer`` and
    ``picture``. ``reply`` is the last answer, None before the first.
    """

    def __init__(
        self,
        chat: Any,
        prompts: Mapping[str, Callable[[str], list[Message]]],
        *,
        question: str = "",
        max_new_tokens: int = MAX_NEW_TOKENS,
    ) -> None:
        if not prompts:
            raise InputError("The ask box got no prompts.", remedy="Give at least one name with its prompt.")
        self._chat, self._prompts, self._limit = chat, prompts, max_new_tokens
        self.reply: Reply | None = None
        self.choice = ipywidgets.Dropdown(options=list(prompts), description="about")
        # The words arrive when the user leaves the field, because counting at every key would be slow for 85
        # slices.
        self.question = ipywidgets.Textarea(
            question, description="question", continuous_update=False, layout={"width": "560px", "height": "90px"}
        )
        self.button = ipywidgets.Button(description="Ask", button_style="primary")
        self.count, self.error, self.answer = ipywidgets.Label(), ipywidgets.HTML(), ipywidgets.HTML()
        self.picture = Picture(width=180)
        for name in ("choice", "question", "button", "count", "error", "answer", "picture"):
            getattr(self, name).add_class(f"ask-{name}")
        line = ipywidgets.HBox([self.button, self.count])
        width = {"max_width": "570px"}
        form = ipywidgets.VBox([self.choice, self.question, line, self.error, self.answer], layout=width)
        self._which = ipywidgets.HTML()  # a line about the picture
        shown = ipywidgets.VBox([self.picture, self._which])
        super().__init__([ipywidgets.HBox([form, shown], layout={"flex_flow": "row wrap"})])
        self.add_class("ask-box")
        self.choice.observe(lambda _: self._prepare(), "value")
        self.question.observe(lambda _: self._prepare(), "value")
        self.button.on_click(lambda _: self._ask())
        self._prepare()

    def _prepare(self) -> list[Message] | None:
        """Make the prompt, count its tokens and show its middle image. None if it cannot be asked."""
        self.error.value = ""
        try:
            messages = self._prompts[self.choice.value](self.question.value)
            self.count.value = f"{self._chat.count_tokens(messages)}, not asked yet"
        except InputError as error:
            self.count.value, self.error.value = "", _line(error)
            return None
        images = images_of(messages)
        if images:
            small = images[len(images) // 2].copy()
            small.thumbnail((180, 180))
            which = "the image" if len(images) == 1 else f"the middle one of {len(images)} images"
            self.picture.put(small, f"{self.choice.value}: {which}")
            self._which.value = f"<small>{which}</small>"
        return messages

    def _ask(self) -> None:
        messages = self._prepare()
        if messages is None:
            return
        self.button.disabled, self.answer.value = True, "<i>The model is reading ...</i>"
        self.count.value = self.count.value.removesuffix(", not asked yet")
        running = {}
        if "on_text" in inspect.signature(self._chat.generate).parameters:  # if it can report meanwhile
            running["on_text"] = self._show_running
        try:
            self.reply = self._chat.generate(messages, max_new_tokens=self._limit, **running)
            self.answer.value = reply_html(self.reply)
        except Exception as error:  # in a widget's callback, it would only go to the log
            self.answer.value, self.error.value = "", _line(error)
        finally:
            self.button.disabled = False

    def _show_running(self, text: str) -> None:
        self.answer.value = f'<span style="white-space:pre-wrap">{escape(text)}</span> <i>...</i>'


def _line(error: Exception) -> str:
    what = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    return "Not asked. " + escape(" ".join(what.split()), quote=False)

"""Ask a model on any server with the OpenAI chat API in the same way as a local model.

vLLM, ``transformers serve`` (`helpers.models.server` starts one here), TGI and Vertex AI's dedicated endpoints do.
An endpoint cannot give four things: a session (the server has its own cache, or none), the likelihood of words
that it did not write, an exact count of tokens before the answer, and the prompt as the tokenizer gets it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import openai

from helpers.data import checked_token, secret_token
from helpers.endpoints.addresses import TOKEN_VARIABLE, check_address, place_of
from helpers.endpoints.causes import explained, said_by
from helpers.endpoints.image_urls import PNG, check_form, wire_bytes, wire_messages
from helpers.endpoints.likelihoods import WISH, NoNumbers, Step, refuses_wish, steps_of
from helpers.endpoints.limits import Limits, estimate_tokens, usual_limits, warn_of_cut
from helpers.endpoints.redaction import without_tokens
from helpers.endpoints.retries import SlowAnswer, UnreadableAnswer, is_refusal, may_pass, retry_after
from helpers.endpoints.streamed import pieces_of
from helpers.endpoints.totals import Totals
from helpers.endpoints.transport import headers_with, open_client
from helpers.endpoints.wire_answer import has_ended, read_answer, thinking_of
from helpers.errors import InputError, check_count
from helpers.images import HEADERS_REMEDY, ImageSource, check_all_unchanged, check_may_leave
from helpers.network import is_loopback, retried
from helpers.prompts import (
    MAX_NEW_TOKENS,
    Message,
    Reply,
    TokenCount,
    check_max_new_tokens,
    images_of,
    split_thinking,
)


@dataclass(frozen=True)
class EndpointModel:
    """A served model, with `generate` as in `helpers.models.ChatModel`, and `stream`. Any thread may call it.

    Args:
        url: the server's address up to and including ``/v1``; http only for this machine, https for all others.
        served: the model's name on that server.
        name: the name under which answers are stored; by default the served name and the host, with its port and
            its path if they are not the usual ones, so that no two servers share a name.
        image_format: "png" or "webp", which lose nothing, or "jpeg" with ``quality``. llama.cpp reads no WebP.
        at_once: the number of requests that may run at the same time; further callers wait.
        attempts: how often one prompt is sent at most; the wait of ``first_wait`` seconds doubles each time.
        timeout: seconds for one complete answer.
        limits: how much the server takes in one request; by default what is known of its kind.
        token: the bearer token, or a function that gives a fresh one; by default that of ``ENDPOINT_TOKEN``, which
            is looked up for each request, so that a renewed token is used. It is never shown.
        sources: files, folders and DICOMweb series that the images come from. Their headers are checked, and
            before images are sent, the files are checked for changes. Or
        may_leave: why images may go to a server that is not this machine.

    Raises:
        InputError: the address is not encrypted, a source names a patient, or ``at_once`` or ``attempts`` is not a
            whole number of 1 or more.
    """

    url: str
    served: str
    name: str = ""
    image_format: str = PNG
    quality: int = 90
    at_once: int = 4
    attempts: int = 7
    first_wait: float = 0.5
    timeout: float = 300.0
    limits: Limits = field(default_factory=Limits)
    token: str | Callable[[], str] | None = field(default=None, repr=False)
    sources: Sequence[ImageSource] | None = None
    may_leave: str = ""
    totals: Totals = field(default_factory=Totals, init=False, compare=False)
    _client: openai.OpenAI = field(init=False, repr=False, compare=False)
    _room: threading.Semaphore = field(init=False, repr=False, compare=False)
    _lock: threading.Lock = field(init=False, repr=False, compare=False)
    # Tokens that were used, to remove them from texts.
    _used: set[str] = field(default_factory=set, init=False, repr=False, compare=False)
    _looked: dict[str, float] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )  # at the sources
    # Fields that the server refused.
    _refused: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    model: ClassVar[None] = None  # only the server has them; code that needs them checks for None
    processor: ClassVar[None] = None

    def __post_init__(self) -> None:
        host = check_address(self.url)
        check_form(self.image_format)
        for name in ("at_once", "attempts"):  # with 0, every caller would wait for ever
            n = getattr(self, name)
            check_count(n, f"{name} is {n!r}.", path=self.url, remedy=f"Use {name}=1 or more.")
        if self.sources and not self.may_leave and not is_loopback(host):
            object.__setattr__(self, "sources", check_may_leave(self.sources))
        made = {
            "name": self.name or f"{self.served}@{place_of(self.url)}",
            "limits": usual_limits(self.url) if self.limits == Limits() else self.limits,
            "_client": open_client(self.url, self.timeout),
            "_room": threading.Semaphore(self.at_once),
            "_lock": threading.Lock(),
        }
        for attribute, value in made.items():
            object.__setattr__(self, attribute, value)

    @property
    def is_standin(self) -> bool:
        """Whether the served name is that of this project's stand-in, with an adapter (``standin+adapter``) too.

        A server tells nothing but the name.
        """
        return self.served.partition("+")[0] in ("standin", "standin_weights")

    @property
    def context(self) -> int:
        """The largest number of tokens of a prompt."""
        return self.limits.context_tokens

    def count_tokens(self, messages: Sequence[Message]) -> TokenCount:
        """An estimate of a prompt's tokens, because only the server has the tokenizer; see `Reply.prompt_tokens`.

        Raises `InputError` if the prompt exceeds the server's limits.
        """
        count = estimate_tokens(messages, self.limits.image_tokens)
        self.limits.check_prompt(count, self.url)
        return count

    def request_bytes(self, messages: Sequence[Message]) -> int:
        """Bytes that a prompt takes on the wire."""
        return wire_bytes(wire_messages(messages, self.image_format, self.quality))

    def generate(self, messages: Sequence[Message], max_new_tokens: int = MAX_NEW_TOKENS) -> Reply:
        """Answer ``messages`` greedily, as the local model would.

        A request is repeated after failures that may pass (`helpers.endpoints.retries`). Raises `InputError` for a
        prompt over the limits, for images that may not leave, and for a server that refuses or does not answer.
        """
        return self._answered(messages, max_new_tokens, {})[0]

    def generate_with_likelihoods(
        self, messages: Sequence[Message], max_new_tokens: int = MAX_NEW_TOKENS
    ) -> tuple[Reply, list[Step] | None]:
        """As `generate`, with the likeliest tokens at each place of the answer; None if the server sends none.

        If a server refuses requests for likelihoods, all later requests ask without them. Raises `InputError` also
        for log-probabilities that are not numbers.
        """
        reply, told = self._answered(messages, max_new_tokens, {} if "likelihoods" in self._refused else WISH)
        try:
            return reply, steps_of(told)
        except NoNumbers as error:
            raise self._problem(
                f"The server's log-probabilities are not numbers ({error}).",
                "The model is damaged, or its number format overflows. Serve it in bfloat16 or float32.",
            ) from None

    def _answered(
        self, messages: Sequence[Message], max_new_tokens: int, wish: dict[str, Any]
    ) -> tuple[Reply, Any]:
        """The reply, and the likelihoods of its tokens."""
        with self._room:  # images of waiting callers are not encoded yet, which saves memory
            body, size = self.request(messages, max_new_tokens)
            start = time.perf_counter()
            answer = self._sent(lambda: self._whole_answer(body, wish), size)
        message, usage = answer["message"], answer["usage"]
        prompt, written = (usage.get(key) or 0 for key in ("prompt_tokens", "completion_tokens"))
        text, thinking = split_thinking(message.get("content") or "")
        if not self.is_standin:
            warn_of_cut(prompt, len(images_of(messages)) * self.limits.image_tokens, self.url)
        with self._lock:
            self.totals.answers += 1
            self.totals.prompt_tokens += prompt
            self.totals.completion_tokens += written
        seconds = time.perf_counter() - start
        finished = has_ended(answer["finish_reason"], written, max_new_tokens)
        reply = Reply(text, thinking or thinking_of(message), prompt, written, seconds, finished=finished)
        return reply, answer["logprobs"]

    def stream(
        self,
        messages: Sequence[Message],
        max_new_tokens: int = MAX_NEW_TOKENS,
        *,
        usage: dict[str, Any] | None = None,
    ) -> Iterator[str]:
        """Yield pieces of the answer as the model writes them. A broken stream raises `InputError`.

        If ``usage`` is a dictionary, the server is asked for its count of tokens, which is put into it at the end.
        """
        with self._room:
            yield from self.stream_request(*self.request(messages, max_new_tokens), usage)

    def stream_request(self, body: dict[str, Any], size: int, usage: dict[str, Any] | None) -> Iterator[str]:
        """As `stream`, for what `request` made."""
        if usage is not None:
            body = {**body, "stream_options": {"include_usage": True}}
        ask = self._client.chat.completions.create
        opened = self._sent(lambda: ask(**body, stream=True, extra_headers=self._headers()), size)
        try:
            yield from pieces_of(opened, {} if usage is None else usage)
        except Exception as error:
            self._count(failed=1)
            raise self._explained(error) from None
        finally:
            opened.close()
        self._count(answers=1)

    def models(self, *, needed: bool = False) -> list[dict[str, Any]] | None:
        """The models that the server lists; None if it has no list.

        Raises `InputError` if the server refuses the token, cannot be reached, or sends no valid list. If the list
        is ``needed``, every failure raises it.
        """
        try:
            page = self._client.models.list(extra_headers=self._headers(), timeout=10.0)
            listed = [entry.model_dump() for entry in page.data or []]
            if all(isinstance(entry.get("id"), str) for entry in listed):
                return listed
            raise ValueError("entries without a name")
        except openai.APIStatusError as error:
            if needed or error.status_code < 400 or error.status_code in (401, 403):
                raise self._explained(error, listing=True) from None
            return None
        except openai.APIConnectionError as error:
            raise self._explained(error) from None
        except InputError:  # of the function that gives the token
            raise
        except (ValueError, TypeError, AttributeError, openai.APIError):
            # The client tries to parse any reply, even a web page, and may raise any error.
            raise self._explained(UnreadableAnswer("the server's list of models is not a list")) from None

    def request(self, messages: Sequence[Message], max_new_tokens: int) -> tuple[dict[str, Any], int]:
        """The request and the size of its messages in bytes, after all checks that are possible now."""
        check_max_new_tokens(max_new_tokens)
        self.count_tokens(messages)
        stated = self.may_leave or self.sources or is_loopback(check_address(self.url))
        if images_of(messages) and not stated:
            raise self._problem(
                "The images were not sent to another machine, because nobody has said where they come from.",
                f"Name their files with load_model(..., sources=[...]), which checks them. {HEADERS_REMEDY}",
            )
        if images_of(messages):
            check_all_unchanged(self.sources or (), self._looked)
        wire = wire_messages(messages, self.image_format, self.quality)
        size = wire_bytes(wire)
        self.limits.check_request(size, self.url)
        return {"model": self.served, "messages": wire, "max_tokens": max_new_tokens, "temperature": 0}, size

    def _headers(self) -> dict[str, Any]:
        given = self.token() if callable(self.token) else self.token or secret_token(TOKEN_VARIABLE)
        token = checked_token(given or "", TOKEN_VARIABLE, self.url)
        if token:
            self._used.add(token)
        return headers_with(token)

    def _sent(self, ask: Callable[[], Any], size: int) -> Any:
        def counted() -> Any:
            self._count(bytes_sent=size)
            return ask()

        try:
            return retried(
                counted,
                may_pass,
                attempts=self.attempts,
                first_wait=self.first_wait,
                asked_wait=retry_after,
                before_retry=lambda: self._count(retries=1),
            )
        except Exception as error:
            self._count(failed=1)
            raise self._explained(error) from None  # the client's own error may quote the token

    def _whole_answer(self, body: dict[str, Any], wish: dict[str, Any]) -> dict[str, Any]:
        """The answer as from `read_answer`. The time limit is for the whole answer, not for each piece."""
        if wish:
            try:
                return self._whole_answer({**body, **wish}, {})
            except Exception as error:
                if not refuses_wish(error):
                    raise
            self._count(bytes_sent=wire_bytes(body["messages"]))
            answer = self._whole_answer(body, {})
            self._refused.add("likelihoods")
            return answer
        deadline, content = time.monotonic() + self.timeout, bytearray()
        ask = self._client.chat.completions.with_streaming_response.create
        with ask(**body, extra_headers=self._headers()) as response:
            for piece in response.iter_bytes():
                content += piece
                if time.monotonic() > deadline:
                    raise SlowAnswer(f"incomplete after {self.timeout:g} s")
        return read_answer(bytes(content))

    def _count(self, **amounts: int) -> None:
        with self._lock:
            for name, amount in amounts.items():
                setattr(self.totals, name, getattr(self.totals, name) + amount)

    def _problem(self, problem: str, remedy: str) -> InputError:
        return InputError(problem, path=self.url, remedy=remedy)

    def _explained(self, error: Exception, *, listing: bool = False) -> InputError:
        if isinstance(error, InputError):  # of the function that gives the token
            return error
        said = str(without_tokens(said_by(error)))
        for token in list(self._used):
            said = said.replace(token, "[token removed]")
        known = self._known_models() if is_refusal(error) and not listing else ""
        return explained(error, said[:300], self.url, self.served, self.timeout, known)

    def _known_models(self) -> str:
        try:
            known = ", ".join(entry["id"] for entry in self.models() or [])
        except InputError:
            known = ""
        return f"The server lists these models: {known}." if known else "The server lists no models."

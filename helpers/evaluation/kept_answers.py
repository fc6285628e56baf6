"""Keep answers that belong to the same question, model and settings, and ask all other cases again.

An answer's ``key`` stands for the hash of its prompt (words and pixels), its options, the model, and the settings.
If a resumed run made every prompt again, it would be slow. So an answer also keeps the ``state`` of its case. If
the state is the same, the prompt is the same. Otherwise the prompt is made again and compared.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from helpers.errors import InputError
from helpers.evaluation.asking import Asked, about_case, parsed_of, truth_of, versions
from helpers.evaluation.marks import Answer
from helpers.evaluation.quantities import KEPT
from helpers.prompts import Reply, check_max_new_tokens, prompt_key


@dataclass(frozen=True)
class Asking:
    """The model and settings, which decide an answer together with its question.

    Raises `InputError` if an answer has no room for a token.
    """

    model: Mapping[str, Any]  # as from `helpers.evaluation.asked_model`
    max_new_tokens: int
    decoding: str = field(default="greedy", init=False)  # this package asks every model in this way

    def __post_init__(self) -> None:
        check_max_new_tokens(self.max_new_tokens)

    def key(self, prompt: str, options: Iterable[str]) -> str:
        """24 letters for the answer to a prompt, which is given by its `prompt_key`."""
        parts = [prompt, list(options), dict(self.model), self.max_new_tokens, self.decoding]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:24]

    def note(self, answer: Answer, state: str) -> Answer:
        """Add its key to an answer. ``state`` is the state of the case before its prompt was made."""
        if "error" in answer:
            return answer
        return answer | {"state": state, "key": self.key(answer["prompt"], answer["options"])}

    def record(self, cases: Sequence[Asked]) -> dict[str, Any]:
        """The content of ``run.json``: model, settings, versions, and the tables with their SHA-256."""
        names = ("id", "kind", "group", "condition", "options", "truth")
        asked = [[getattr(case, name) for name in names] for case in cases]
        content = json.dumps(asked, ensure_ascii=False).encode(errors="surrogatepass")
        tables = {getattr(case, "table", ("", "")) for case in cases}
        return {
            "model": dict(self.model),
            "settings": {"max_new_tokens": self.max_new_tokens, "decoding": self.decoding},
            "tables": [{"name": name, "sha256": sha256} for name, sha256 in sorted(tables) if name],
            "cases": {"count": len(cases), "sha256": hashlib.sha256(content).hexdigest()},
            "versions": versions(),
        }


def asked_anew(known: Iterable[Answer], missing: Iterable[Asked], before: str, now: Mapping[str, Any]) -> str:
    """A line with the number of ``known`` answers that are asked again, and the change; "" for none.

    ``before`` and ``now`` are the old and the new content of ``run.json``; "" if there was no file.
    """
    answered = {answer["id"] for answer in known if "error" not in answer}
    n = sum(case.id in answered for case in missing)
    if not n:
        return ""
    try:
        was = json.loads(before or "{}")
    except ValueError:  # an earlier run died while it wrote the file
        was = {}
    changes = [
        f"{name} was {old[name]} and is {value}" if part == "settings" else f"the model's {name} changed"
        for part in ("settings", "model")
        for name, value in now[part].items()
        if name in (old := was.get(part) or {}) and old[name] != value
    ]
    why = "; ".join(changes) or "their questions or images changed"
    return f"{n} of the earlier answers were set aside, and their cases are asked again ({why})."


def state_of(case: Asked) -> str:
    """A text that identifies the whole prompt; "" if only the prompt itself can tell."""
    try:
        return getattr(case, "state", "")
    except OSError:  # the missing file is reported when the prompt is made
        return ""


def sort_out(
    cases: Sequence[Asked], answers: Iterable[Answer], asking: Asking
) -> tuple[list[Answer], list[Asked]]:
    """The answers that belong to these cases, and the cases that have none yet.

    If a question has got another id, group or truth since then, the answer gets it, too. Raises `InputError` if
    two cases have one id.
    """
    by_state, by_id = defaultdict(list), defaultdict(list)
    for answer in answers:
        if "error" not in answer and _is_of(answer, asking):
            by_id[answer["id"]].append(answer)
            by_state[answer["state"]].append(answer)
    kept, missing, ids = [], [], set()
    for case in cases:
        if case.id in ids:
            raise InputError(f"Two cases have the id {case.id!r}.", remedy="Give each case a different id.")
        ids.add(case.id)
        state = state_of(case)
        found = [a for a in by_state[state] if a["options"] == list(case.options)] if state else []
        if not found and case.id in by_id:  # the prompt may be the same although the id is not
            key = _drawn_key(case, asking)
            found = [a for a in by_id[case.id] if a["key"] == key]
        answer = _of_case(found[-1], case, state) if found else None
        if answer is None:
            missing.append(case)
        else:
            kept.append(answer)
    return kept, missing


def _is_of(answer: Answer, asking: Asking) -> bool:
    """Whether this model gave the answer with these settings. An old answer without a key does not count."""
    return "key" in answer and answer["key"] == asking.key(answer["prompt"], answer["options"])


def _drawn_key(case: Asked, asking: Asking) -> str:
    try:
        return asking.key(prompt_key(case.messages), case.options)
    except Exception:  # asking the case will raise it again, and keep the reason
        return ""


def _of_case(answer: Answer, case: Asked, state: str) -> Answer | None:
    """The answer with the present id and truth of its case; None if it would have to be parsed in another way."""
    truth = truth_of(case)
    if truth["form"] != answer["form"]:
        return None
    if truth["form"] == "number":  # the allowed range may have changed, which no prompt tells
        answer = {name: value for name, value in answer.items() if name not in KEPT}
        reply = Reply(**{part.name: answer[part.name] for part in fields(Reply)})
        truth["parsed"] = parsed_of(case, truth["form"], reply)
    return answer | about_case(case) | truth | {"state": state}

"""How a run that learns from a reward trains: its settings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from helpers.errors import InputError
from helpers.finetuning.problems import input_errors
from helpers.finetuning.tuning import Count, Positive, Tuning

# What Google's own notebook sets otherwise, https://github.com/Google-Health/medgemma, commit 80a1de1,
# notebooks/reinforcement_learning_with_hugging_face.ipynb. Its 3 replies at once, accumulated 4 times, are three
# prompts with 4 replies each. It sets no kl, which TRL then leaves out, and no schedule, which is then a line.
RECIPES: dict[str, dict[str, Any]] = {
    "ours": {},
    "official": {
        "rank": 64,
        "alpha": 64,
        "replies": 4,
        "prompts": 3,
        "at_once": 3,
        "max_new_tokens": 1024,
        "kl": 0.0,
        "steps": 1700,
        "schedule": "linear",
        "adapt_vision": True,
    },
}


@input_errors
@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", use_attribute_docstrings=True))
class Reinforcement:
    """How to learn from a reward by GRPO; nobody has measured the defaults on the 4B model.

    Raises `InputError` with all that is wrong: of another type, out of range, unknown, at odds with each other.
    """

    recipe: Literal["ours", "official"] = "ours"
    """Where the defaults come from; "official" are those of Google's notebook. Settings that are given win."""

    rank: Annotated[int, Field(strict=True, ge=1, le=1024)] = 16
    """Of the adapter's matrices."""

    alpha: Count = 32
    """The adapter's weight is alpha / rank."""

    learning_rate: Positive = 5e-6
    """Far lower than where answers are given: a reward says little about each token. The stand-in needs 1e-3."""

    schedule: Literal["cosine", "linear", "constant"] = "constant"
    """How the rate falls."""

    clip: Positive = 1.0
    """Longest gradient of a step; a longer one is shortened to it."""

    steps: Count = 200
    """Of the whole run; each draws new replies."""

    prompts: Count = 4
    """Cases of a step."""

    replies: Annotated[int, Field(strict=True, ge=2, le=256)] = 8
    """Drawn for each case, its group. In a small group all replies are often alike, and nothing is learned."""

    at_once: Count = 4
    """Replies in the model at a time when it learns; the rest of a step is accumulated."""

    max_new_tokens: Count = 256
    """Of a reply; one that is cut off there mostly earns nothing."""

    temperature: Positive = 1.0
    """Of the draw. Near 0 all replies of a group are alike."""

    kl: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 0.02
    """How much distance from the model at the start costs; 0 neither costs nor measures it."""

    adapt_vision: Annotated[bool, Field(strict=True)] = False
    """Whether the vision tower gets an adapter too."""

    seed: Annotated[int, Field(strict=True, ge=0, lt=2**32)] = 0
    """Of the adapter's first weights, the order of cases, and the draw."""

    @model_validator(mode="before")
    @classmethod
    def _take_recipe(cls, given: Any) -> Any:
        settings = given.kwargs or {} if isinstance(given, ArgsKwargs) and not given.args else given
        if not isinstance(settings, dict):
            return given
        name = settings.get("recipe")
        defaults = RECIPES.get(name, {}) if isinstance(name, str) else {}
        if defaults and all(settings.get(key, value) != value for key, value in defaults.items()):
            raise InputError(f"the recipe {name!r} sets nothing here; begin with Reinforcement(recipe={name!r})")
        return {**defaults, **settings}

    @model_validator(mode="after")
    def _check_together(self) -> Any:
        if self.step_replies % self.at_once:
            raise InputError(f"{self.step_replies} replies a step are not a multiple of {self.at_once} at once")
        return self

    @property
    def step_replies(self) -> int:
        """Replies of a step."""
        return self.prompts * self.replies

    @property
    def tuning(self) -> Tuning:
        """The same adapter as `helpers.finetuning.finetune` trains it, without dropout.

        Dropout would draw other weights for each look at the same reply.
        """
        return Tuning(
            rank=self.rank,
            alpha=self.alpha,
            dropout=0.0,
            learning_rate=self.learning_rate,
            clip=self.clip,
            batch_size=self.step_replies,
            at_once=self.at_once,
            adapt_vision=self.adapt_vision,
            cached=False,
            seed=self.seed,
        )

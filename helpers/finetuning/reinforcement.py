"""The settings of a run that learns from a reward."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from helpers.errors import InputError
from helpers.finetuning.problems import input_errors
from helpers.finetuning.tuning import Count, Positive, Tuning, with_recipe

# The settings in which Google's own notebook differs, https://github.com/Google-Health/medgemma, commit 80a1de1,
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
    """The settings for learning from a reward by GRPO. Nobody has measured the defaults on the 4B model.

    Raises `InputError` that lists all faults: wrong types, values out of range, unknown names, and settings that
    contradict each other.
    """

    recipe: Literal["ours", "official"] = "ours"
    (
        """The source of the defaults; "official" takes those of Google's notebook. Your own settings "
        "override them."""
    )

    rank: Annotated[int, Field(strict=True, ge=1, le=1024)] = 16
    """The rank of the adapter's matrices."""

    alpha: Count = 32
    """The adapter is scaled by alpha / rank."""

    learning_rate: Positive = 5e-6
    (
        """Far lower than with given answers, because a reward says little about each token. The stand-in "
        "needs 1e-3."""
    )

    schedule: Literal["cosine", "linear", "constant"] = "constant"
    """How the rate falls."""

    clip: Positive = 1.0
    """The longest gradient of a step. A longer one is shortened to it."""

    steps: Count = 200
    """The steps of the whole run. Each step draws new replies."""

    prompts: Count = 4
    """The number of cases in each step."""

    replies: Annotated[int, Field(strict=True, ge=2, le=256)] = 8
    (
        """The replies drawn for each case, its group. In a small group, all replies are often alike, so "
        "nothing is learned."""
    )

    at_once: Count = 4
    """Replies in the model at a time when it learns. The gradients of a whole step are accumulated."""

    max_new_tokens: Count = 256
    """The largest number of tokens of a reply. A reply that is cut off there mostly earns nothing."""

    temperature: Positive = 1.0
    """The temperature of the draw. Near 0, all replies of a group are alike."""

    kl: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 0.02
    """How much a distance from the model at the start costs. With 0, the distance is not even measured."""

    adapt_vision: Annotated[bool, Field(strict=True)] = False
    """Whether the vision tower also gets an adapter."""

    seed: Annotated[int, Field(strict=True, ge=0, lt=2**32)] = 0
    """The seed of the adapter's first weights, the order of cases, and the draw."""

    @model_validator(mode="before")
    @classmethod
    def _take_recipe(cls, given: Any) -> Any:
        return with_recipe(given, RECIPES, "has no settings for learning from a reward; leave its name out")

    @model_validator(mode="after")
    def _check_together(self) -> Any:
        if self.step_replies % self.at_once:
            raise InputError(
                f"the replies of a step, {self.step_replies}, are not a multiple of at_once, {self.at_once}"
            )
        return self

    @property
    def step_replies(self) -> int:
        """The number of replies in each step."""
        return self.prompts * self.replies

    @property
    def tuning(self) -> Tuning:
        """The settings of the same adapter as in `helpers.finetuning.finetune`, without dropout.

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

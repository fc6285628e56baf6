"""The settings of a run, and the weights that are trained with them."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from helpers.errors import InputError
from helpers.finetuning.problems import input_errors

LANGUAGE_LAYERS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
VISION_LAYERS = r".*vision_tower.*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)"
EMBEDDINGS = ["lm_head", "embed_tokens"]
# The settings in which Google's own notebook differs, https://github.com/Google-Health/medgemma, commit ff57e8c,
# notebooks/fine_tune_with_hugging_face.ipynb. Its batch of 4 at once, accumulated 4 times, is one of 16.
RECIPES: dict[str, dict[str, Any]] = {
    "ours": {},
    "official": {
        "alpha": 16,
        "epochs": 1,
        "schedule": "linear",
        "clip": 0.3,
        "adapt_vision": True,
        "cached": False,
        "train_embeddings": True,
        "learn_prompt": True,
    },
}

Count = Annotated[int, Field(strict=True, ge=1)]
Number = Annotated[int, Field(strict=True, ge=0)]
Share = Annotated[float, Field(strict=True, ge=0, lt=1)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Switch = Annotated[bool, Field(strict=True)]


@input_errors
@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", use_attribute_docstrings=True))
class Tuning:
    """The settings of a training. The defaults suit a few hundred to a few thousand examples on the 4B model.

    Raises `InputError` that lists all faults: wrong types, values out of range, unknown names, and settings that
    contradict each other.
    """

    recipe: Literal["ours", "official"] = "ours"
    (
        """The source of the defaults; "official" takes those of Google's notebook. Your own settings "
        "override them."""
    )

    rank: Annotated[int, Field(strict=True, ge=0, le=1024)] = 16
    (
        """The rank of the adapter's matrices. A higher rank learns and forgets more; 0 trains the whole "
        "language model."""
    )

    alpha: Count = 32
    """The adapter is scaled by alpha / rank. The usual alpha is twice the rank."""

    dropout: Share = 0.05
    (
        """The share of an adapter's inputs that each step leaves out, so that few examples are not "
        "learned by heart."""
    )

    learning_rate: Positive = 2e-4
    """Ten times the rate of full tuning, because adapters start from zero. The small stand-in needs 3e-3."""

    schedule: Literal["cosine", "linear"] = "cosine"
    (
        """How the rate falls after the warm-up: a cosine stays high for longer, and ends more gently "
        "than a line."""
    )

    warmup: Share = 0.03
    (
        """The share of the steps in which the rate rises from 0. At least one step of a short run has "
        "the full rate."""
    )

    clip: Positive = 1.0
    (
        """The longest gradient of a step. A longer one, for example from an unusual example, is "
        "shortened to it."""
    )

    epochs: Count = 3
    """How often each example is seen. More epochs on few examples mostly memorise them."""

    patience: Number = 2
    (
        """The training ends after this many epochs in a row without a lower validation loss; 0 trains "
        "all epochs."""
    )

    batch_size: Count = 16
    """Examples in each step, over all processes. In a small batch, single cases have too much influence."""

    at_once: Count = 1
    """Examples in memory at a time. The gradients of a larger batch are accumulated."""

    adapt_vision: Switch = False
    """Whether the vision tower also gets an adapter. Then images cannot be encoded once."""

    cached: Switch = True
    """Whether images are encoded once and stored on disk."""

    train_embeddings: Switch = False
    (
        """Whether the embeddings of words and the head are trained in full: 1.3 billion more weights on "
        "the 4B model."""
    )

    learn_prompt: Switch = False
    (
        """Whether the loss also covers the words of the prompt, not only the answer. It never covers "
        "image tokens."""
    )

    save_steps: Count = 50
    """The number of steps between checkpoints, in addition to those after each epoch and every 15 minutes."""

    seed: Annotated[int, Field(strict=True, ge=0, lt=2**32)] = 0
    """The seed of the adapter's first weights, the order of examples, and dropout."""

    @model_validator(mode="before")
    @classmethod
    def _take_recipe(cls, given: Any) -> Any:
        return with_recipe(given, RECIPES, "cannot be set this way; begin with Tuning")

    @model_validator(mode="after")
    def _check_together(self) -> Any:
        if self.adapt_vision and self.cached:
            raise InputError(
                "image tokens cannot be kept while the vision tower is trained: adapt_vision needs cached=False"
            )
        if not self.rank and (self.adapt_vision or self.train_embeddings):
            raise InputError("rank 0 trains no adapter, so leave out adapt_vision and train_embeddings")
        if self.batch_size % self.at_once:
            raise InputError(f"batch_size, {self.batch_size}, is not a multiple of at_once, {self.at_once}")
        return self

    def steps(self, examples: int) -> int:
        """The number of steps of a run with this many examples."""
        return math.ceil(examples / self.batch_size) * self.epochs


# The text for `help`, which would leave out the docstrings of fields.
Tuning.__doc__ = "\n    ".join(
    [f"{Tuning.__doc__}", *(f"{name}: {field.description}" for name, field in Tuning.__pydantic_fields__.items())]
)


def with_recipe(given: Any, recipes: dict[str, dict[str, Any]], refused: str) -> Any:
    """Put the ``given`` settings of a class over those of the recipe that they name.

    Raises `InputError` with the words of ``refused`` if the settings replace every value of the recipe.
    """
    settings = given.kwargs or {} if isinstance(given, ArgsKwargs) and not given.args else given
    if not isinstance(settings, dict):
        return given
    name = settings.get("recipe")
    defaults = recipes.get(name, {}) if isinstance(name, str) else {}
    if defaults and all(settings.get(key, value) != value for key, value in defaults.items()):
        raise InputError(f"the recipe {name!r} {refused}(recipe={name!r})")
    return {**defaults, **settings}


def lora_config(tuning: Tuning) -> Any:
    """The adapter's configuration: on all projections of the language model, and of the tower if adapted."""
    from peft import LoraConfig

    layers = f"({LANGUAGE_LAYERS})|({VISION_LAYERS})" if tuning.adapt_vision else LANGUAGE_LAYERS
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=tuning.rank,
        lora_alpha=tuning.alpha,
        lora_dropout=tuning.dropout,
        target_modules=layers,
        modules_to_save=EMBEDDINGS if tuning.train_embeddings else None,
    )


def to_train(model: Any, tuning: Tuning) -> Any:
    """The model inside its adapter. In full tuning, the model itself, with frozen tower and projector.

    The matrices of an adapter are float32, as PEFT makes them around weights of any format; whole copies of
    embeddings and head have the model's own.
    """
    from peft import get_peft_model

    if tuning.rank:  # for a model without numbers, the adapter has none either
        return get_peft_model(model, lora_config(tuning), low_cpu_mem_usage=model.device.type == "meta")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("vision_tower" not in name and "multi_modal_projector" not in name)
    return model

"""How a run trains: its settings, and which weights they set free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from helpers.errors import InputError

LANGUAGE_LAYERS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
VISION_LAYERS = r".*vision_tower.*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)"


@dataclass(frozen=True)
class Tuning:
    """How to train; the defaults suit a few hundred to a few thousand examples on the 4B model."""

    rank: int = 16  # of the adapter's matrices; more learns and forgets more; 0 trains the whole language model
    alpha: int = 32  # the adapter's weight is alpha / rank; twice the rank is usual
    dropout: float = 0.05  # against learning few examples by heart
    learning_rate: float = 2e-4  # ten times that of full tuning, as adapters start from zero
    epochs: int = 3  # more on few examples mostly memorises
    batch_size: int = 16  # examples a step, over all processes; small ones make single cases pull too hard
    at_once: int = 1  # examples in memory at a time; the rest of a batch is accumulated
    warmup: float = 0.03  # share of the steps in which the rate rises
    adapt_vision: bool = False  # whether the vision tower gets an adapter too; then nothing can be encoded once
    cached: bool = True  # whether images are encoded once and kept on disk
    save_steps: int = 50  # a checkpoint every so many steps; at most these are lost
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        for name in ("epochs", "batch_size", "at_once", "save_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}.", remedy="Give 1 or more.")
        if self.rank < 0 or not 0 <= self.dropout < 1 or self.learning_rate <= 0:
            raise InputError(
                f"rank {self.rank}, dropout {self.dropout}, learning rate {self.learning_rate} cannot be used.",
                remedy="Give a rank of 0 or more, a dropout from 0 to below 1, and a learning rate above 0.",
            )
        if self.adapt_vision and self.cached:
            raise InputError(
                "Image tokens of a tower that is being trained cannot be kept.",
                remedy="Give cached=False with adapt_vision=True.",
            )


def lora_config(tuning: Tuning) -> Any:
    """The adapter of a run: on all projections of the language model, and of the tower if it is adapted."""
    from peft import LoraConfig

    layers = f"({LANGUAGE_LAYERS})|({VISION_LAYERS})" if tuning.adapt_vision else LANGUAGE_LAYERS
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=tuning.rank,
        lora_alpha=tuning.alpha,
        lora_dropout=tuning.dropout,
        target_modules=layers,
    )


def with_frozen_vision(model: Any) -> Any:
    """The model, with gradients for everything but its vision tower and projector: full tuning."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("vision_tower" not in name and "multi_modal_projector" not in name)
    return model

"""Read a fine-tuning run from a YAML file, for ``medgemma-tutorials finetune --config FILE``.

The file states the model, the cases or tables, the settings of `helpers.finetuning.Tuning`, and the folder of the
adapter. ``medgemma-tutorials finetune --init FILE`` writes a file to start from. Its paths are relative to the
folder in which the command runs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from helpers.endpoints import ENDPOINT_PREFIX
from helpers.errors import InputError
from helpers.evaluation import cases_from
from helpers.finetuning.feature_folder import check_features
from helpers.finetuning.problems import Place, in_words
from helpers.finetuning.settings_file import read_settings
from helpers.finetuning.tuning import Count, Number, Switch, Tuning
from helpers.models import check_name
from helpers.storage import free_place

TEACHING = "teaching:"


class Source(BaseModel):
    """The source of examples: a user's table, or a number of teaching cases of one kind from a seed on."""

    model_config = ConfigDict(extra="forbid")

    cases: str  # a .csv or .jsonl file, or teaching:KIND
    n: Count = 100  # teaching cases
    seed: Number = 0  # seed of the teaching cases

    @field_validator("cases")
    @classmethod
    def _is_there(cls, cases: str) -> str:
        if cases.startswith(TEACHING):
            from helpers.teaching import CASES

            if (kind := cases.removeprefix(TEACHING)) not in CASES:
                raise InputError(f"{kind!r} is not a kind of teaching cases; the kinds are {', '.join(CASES)}")
        elif not os.path.isfile(cases := os.path.expanduser(cases)):  # noqa: PTH111, PTH113 - Path's raise
            raise InputError(f"the table {cases} does not exist (paths are relative to {Path.cwd()})")
        return cases

    @model_validator(mode="after")
    def _takes_whole_table(self) -> Source:
        if not self.cases.startswith(TEACHING) and (given := self.model_fields_set & {"n", "seed"}):
            raise InputError(
                f"only teaching cases can have {' and '.join(sorted(given))}; a table is always used completely"
            )
        return self


class FinetuneConfig(BaseModel):
    """A run."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    model: str = "standin"
    (
        """The model to tune: standin, google/medgemma-1.5-4b-it, google/medgemma-4b-it, or the folder of "
        "a saved model."""
    )

    quantized: Switch = False
    """Whether the model's weights are loaded in 4 bits (QLoRA). This needs CUDA."""

    allow_teaching: Switch = False
    """Whether a model other than the stand-in may learn teaching cases. Their findings are made up."""

    train: Annotated[list[Source], Field(min_length=1)]
    """The examples to learn: tables of your own (columns: notebook 05), or n teaching cases of a kind from a seed.
    Add some examples of old tasks to the new ones, so that the model does not forget them."""

    validation: list[Source]
    (
        """Examples of other patients that only measure the loss. The epoch with the lowest loss is kept; "
        "[] keeps the last."""
    )

    output: Path
    (
        """The folder of the adapter, which must not exist yet. An unfinished run continues when you "
        "start it again."""
    )

    features: Path | None = None
    (
        """A folder of image tokens that several runs share; null keeps them beside the checkpoints until "
        "the end."""
    )

    tuning: Annotated[Tuning, BeforeValidator(lambda given: {} if given is None else given)] = Tuning()
    """The settings of the training (helpers.finetuning.Tuning)."""

    @field_validator("model")
    @classmethod
    def _is_here(cls, model: str) -> str:
        if model.startswith(ENDPOINT_PREFIX):
            raise InputError("a served model cannot be tuned; give the model's own name or folder")
        check_name(model)
        return model

    @field_validator("train", "validation")
    @classmethod
    def _may_be_learned(cls, sources: list[Source], info: ValidationInfo) -> list[Source]:
        from helpers.models import is_standin

        made = [source.cases for source in sources if source.cases.startswith(TEACHING)]
        if (
            made
            and not info.data.get("allow_teaching", True)
            and not is_standin(info.data.get("model", "standin"))
        ):
            raise InputError(
                f"{made[0]} is for the stand-in only, because its findings are made up; give a table "
                "of your own, or set allow_teaching: true"
            )
        return sources

    @field_validator("output")
    @classmethod
    def _is_free(cls, output: Path) -> Path:
        return free_place(output)

    @field_validator("features")
    @classmethod
    def _is_no_file(cls, features: Path | None, info: ValidationInfo) -> Path | None:
        if "output" in info.data:
            check_features(features, info.data["output"])
        return features

    @field_validator("tuning")
    @classmethod
    def _has_an_adapter(cls, tuning: Tuning, info: ValidationInfo) -> Tuning:
        if not tuning.rank and info.data.get("quantized"):
            raise InputError("4-bit weights cannot be trained without an adapter; give a rank above 0")
        return tuning


def read_config(path: str | Path) -> FinetuneConfig:
    """The run that a YAML file describes; raises `InputError` that lists all faults by line."""
    path = Path(path)
    file = read_settings(path)
    wrong = list(file.twice)
    try:
        config = FinetuneConfig.model_validate(file.data)
    except ValidationError as error:
        wrong += [(file.line(place), words) for place, words in in_words(error, _known)]
    if wrong:
        listed = "".join(f"\n  line {line}: {words}" for line, words in sorted(wrong))
        raise InputError(
            f"The settings cannot be used:{listed}\n",
            path=path,
            remedy="Correct these settings. To see all settings with explanations, run: medgemma-tutorials "
            "finetune --init FILE",
        )
    return config


def finetune_from(config: FinetuneConfig) -> Path:
    """Train in all processes that were launched; return the folder of the finished adapter."""
    import torch

    from helpers.finetuning.readiness import processes
    from helpers.finetuning.train import finetune
    from helpers.finetuning.training_data import check_apart
    from helpers.models import load_model

    train, validation = (
        [case for source in sources for case in cases_from(source.cases, source.n, source.seed)]
        for sources in (config.train, config.validation)
    )
    check_apart(train, validation)  # checked before a model is loaded
    device = str(processes().device)  # each process has its own GPU
    # In a smaller format, full tuning would lose small updates.
    dtype = None if config.tuning.rank else torch.float32
    chat = load_model(config.model, device=device, dtype=dtype, quantized=config.quantized)
    settings: dict[str, Any] = {"features": config.features, "allow_teaching": config.allow_teaching}
    finetune(chat, train, validation, config.output, config.tuning, **settings)
    return config.output


def _known(place: Place) -> list[str]:
    """The names of settings beside the one at ``place``. At the top, these include the settings of tuning."""
    if len(place) < 2:
        return [*FinetuneConfig.model_fields, *(f"tuning.{name}" for name in Tuning.__dataclass_fields__)]
    return list(Tuning.__dataclass_fields__ if place[0] == "tuning" else Source.model_fields)

"""A fine-tuning run as a YAML file: what ``medgemma-tutorials finetune --config FILE`` runs.

The file says which model, which cases or tables, which settings of `helpers.finetuning.Tuning`, and where the
adapter goes; ``helpers/configs/finetune.yaml`` is one to start from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from helpers.errors import InputError
from helpers.evaluation import cases_from


class Source(BaseModel):
    """Where examples come from: a table of the user's, or so many teaching cases of a kind from a seed on."""

    model_config = ConfigDict(extra="forbid")

    cases: str  # a .csv or .jsonl file, or teaching:KIND
    n: int = Field(default=100, ge=1)  # teaching cases
    seed: int = 0  # of teaching cases


class FinetuneConfig(BaseModel):
    """A run."""

    model_config = ConfigDict(extra="forbid")

    model: str = "standin"
    train: list[Source]
    validation: list[Source]
    output: Path
    features: Path | None = None  # folder of image tokens to share between runs
    quantized: bool = False
    tuning: dict[str, Any] = {}


def read_config(path: str | Path) -> FinetuneConfig:
    """The run that a YAML file describes; raises `InputError` with all that is wrong with it."""
    path = Path(path)
    try:
        return FinetuneConfig.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"The settings cannot be read ({error}).", path=path, remedy="Check the file.") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise InputError(f"Wrong settings: {wrong}.", path=path, remedy="See configs/finetune.yaml.") from error


def finetune_from(config: FinetuneConfig) -> Path:
    """Make the run, in as many processes as it was launched in; return the folder of the finished adapter."""
    from accelerate import PartialState

    from helpers.finetuning.train import finetune
    from helpers.finetuning.tuning import Tuning
    from helpers.models import load_model

    try:
        tuning = Tuning(**config.tuning)
    except TypeError as error:
        raise InputError(f"Wrong settings: {error}.", remedy="See helpers.finetuning.Tuning.") from error
    train = [case for source in config.train for case in cases_from(source.cases, source.n, source.seed)]
    validation = [case for source in config.validation for case in cases_from(source.cases, source.n, source.seed)]
    device = str(PartialState().device)  # each process its own GPU
    chat = load_model(config.model, device=device, quantized=config.quantized)
    finetune(chat, train, validation, config.output, tuning, features=config.features)
    return config.output

"""Learn from a reward: a model draws several replies to each prompt, and the better ones become likelier (GRPO).

TRL's GRPOTrainer does the training (Shao et al., arXiv:2402.03300). This file adds the parts that it leaves to the
user: prompts with the same tokens as in a question to the model, replies read as in an evaluation
(`helpers.rewards`), and checks of both before the training. TRL gives each reply its own copy of the prompt's
images, and all of them pass the vision tower whenever the reply is looked at. So this is made for prompts of one
image or a few.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from helpers.errors import InputError
from helpers.evaluation import Asked
from helpers.finetuning.checkpoints import Numbers, StepSeeds
from helpers.finetuning.readiness import check_model, is_quantized, processes
from helpers.finetuning.reinforcement import Reinforcement
from helpers.finetuning.train import advice, off_again, sums
from helpers.finetuning.tuning import lora_config
from helpers.finetuning.work import PACKAGES, finish
from helpers.models import ChatModel, adapted_name, computes_bfloat16, fingerprint
from helpers.prompts import check_budget, images_of, prompt_ids, prompt_key, render_prompt, reply_from
from helpers.rewards import Reward, check_rewarded
from helpers.storage import free_place, make_folder
from helpers.teaching import for_model


def reinforce(
    chat: ChatModel,
    cases: Sequence[Asked],
    rewards: Mapping[str, Reward],
    output: str | Path,
    settings: Reinforcement | None = None,
    *,
    callbacks: Sequence[Any] = (),
    allow_teaching: bool = False,
) -> ChatModel:
    """Train an adapter (LoRA; QLoRA with 4-bit weights) on rewards of the model's own replies. Return the model.

    The training changes ``chat``, so use the returned model, which has the adapter. The rewards of a reply are
    added up. The folder ``output`` appears at the end, with the adapter and ``training.json``: base model,
    settings, versions, and for each step the rewards, ``kl`` (how far the model is from its start, in nats a
    token), the length of the replies and the share of groups from which nothing was learned. A run that was
    stopped starts again from the beginning.

    Args:
        chat: the model, from `helpers.models.load_model`.
        cases: the questions, with truths that the rewards use.
        rewards: rewards by name, which score a reply to a case: `helpers.rewards.answer_reward`, or one of your
            own.
        output: folder of the finished adapter; must not exist.
        settings: by default `Reinforcement()`.
        callbacks: of transformers' Trainer.
        allow_teaching: whether a model other than the stand-in may learn teaching cases.

    Raises:
        InputError: the model cannot be tuned with these settings, there are several processes or too few cases, no
            parser reads the answer of a case, a prompt leaves no room for a reply, ``output`` cannot be created,
            memory is too small, the loss is not a number, or nothing was learned.
    """
    try:
        import trl  # noqa: F401
    except ImportError as error:
        remedy = "Run: pip install 'medgemma-tutorials[finetune]'"
        raise InputError(f"Learning from a reward needs the package {error.name}.", remedy=remedy) from error
    settings, output = settings or Reinforcement(), free_place(output)
    check_model(chat, settings.tuning)
    if processes().num_processes > 1:
        raise InputError(
            "Learning from a reward was never tested with several processes.",
            remedy="Start the training without a launcher.",
        )
    cases = for_model(cases, chat, allowed=allow_teaching)
    _check(cases, rewards, chat, settings)
    work = output.with_name(f".{output.name}.partial")
    record = _record(chat, cases, rewards, settings)
    make_folder(work)
    with advice(work):
        trainer = _trainer(chat, cases, rewards, settings, work, callbacks)
        with off_again(trainer.model):
            before = sums(trainer.model)
            trainer.train()
            if sums(trainer.model) == before:
                raise InputError(
                    "Nothing was learned, because all replies of each group earned the same reward.",
                    path=work,
                    remedy="Give cases that the model gets right now and then, or draw more replies to each.",
                )
            record["curve"] = trainer.state.log_history
            finish(trainer, record, work, output)
    return replace(chat, name=adapted_name(chat.name, output), model=trainer.model.eval())


def _check(
    cases: Sequence[Asked], rewards: Mapping[str, Reward], chat: ChatModel, settings: Reinforcement
) -> None:
    if not rewards:
        raise InputError("No reward was given.", remedy='Give one, such as {"answer": answer_reward}.')
    check_rewarded(cases)
    if len(cases) < settings.prompts:
        raise InputError(
            f"A step takes {settings.prompts} cases, but there are only {len(cases)}.",
            remedy="Give more cases, or a smaller number of prompts.",
        )
    for case in cases:
        check_budget(case.messages, chat.processor, chat.context - settings.max_new_tokens)


def _processor(chat: ChatModel, case: Asked) -> Any:
    """A copy of the processor that makes the tokens of a prompt with which the model is asked.

    TRL renders a prompt and tokenizes its text. A tokenizer that puts a token of its own before a text that begins
    with that token would shift, by one, which tokens are taken for those of images. Raises `InputError` if the
    tokens still differ.
    """
    processor = copy.deepcopy(chat.processor)
    processor.tokenizer.add_bos_token = False
    images = images_of(case.messages)
    made = processor(images=images or None, text=[render_prompt(case.messages, processor)])["input_ids"][0]
    if list(made) != prompt_ids(case.messages, chat.processor):
        raise InputError(
            "TRL would train on tokens that differ from those of a question to the model.",
            path=chat.name,
            remedy="Load the model with the processor that it was published with.",
        )
    return processor


def _trainer(
    chat: ChatModel,
    cases: Sequence[Asked],
    rewards: Mapping[str, Reward],
    settings: Reinforcement,
    folder: Path,
    callbacks: Sequence[Any],
) -> Any:
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import GRPOTrainer

    # Prompts are drawn when a step needs them; the dataset holds their numbers.
    numbers = Dataset.from_dict({"row": list(range(len(cases)))})
    trainer = GRPOTrainer(
        model=chat.model,
        reward_funcs=[_as_trl_calls_it(name, reward, cases, chat) for name, reward in rewards.items()],
        args=_arguments(chat, settings, folder),
        train_dataset=numbers.with_transform(
            lambda rows: {"row": rows["row"], "prompt": [cases[k].messages for k in rows["row"]]}
        ),
        processing_class=_processor(chat, cases[0]),
        peft_config=lora_config(settings.tuning),
        callbacks=[StepSeeds(), Numbers(), *callbacks],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _as_trl_calls_it(
    name: str, reward: Reward, cases: Sequence[Asked], chat: ChatModel
) -> Callable[..., list[float]]:
    """Wrap a reward of one case and one reply as a function of two lists: token ids, and numbers of cases."""

    def rewarded(completion_ids: Sequence[list[int]], row: Sequence[int], **_: Any) -> list[float]:
        replies = [reply_from(ids, 0, 0.0, chat) for ids in completion_ids]
        return [float(reward(cases[k], reply)) for k, reply in zip(row, replies, strict=True)]

    rewarded.__name__ = name
    return rewarded


def _arguments(chat: ChatModel, settings: Reinforcement, folder: Path) -> Any:
    from trl import GRPOConfig

    device = str(chat.model.device)
    on_gpu = device.startswith("cuda")
    arguments = GRPOConfig(
        output_dir=str(folder / "checkpoints"),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.at_once,
        gradient_accumulation_steps=settings.step_replies // settings.at_once,
        num_generations=settings.replies,
        max_completion_length=settings.max_new_tokens,
        temperature=settings.temperature,
        beta=settings.kl,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule,
        max_grad_norm=settings.clip,
        weight_decay=0.0,
        bf16=on_gpu and computes_bfloat16(device),
        use_cpu=chat.model.device.type == "cpu",
        activation_checkpointing=on_gpu,  # the stand-in is small enough without it
        dataloader_pin_memory=on_gpu,
        logging_steps=1,
        save_strategy="no",
        seed=settings.seed,
        data_seed=settings.seed,
        disable_tqdm=True,
        report_to="none",
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # TRL refuses a model that is copied to all GPUs
    return arguments


def _record(
    chat: ChatModel, cases: Sequence[Asked], rewards: Mapping[str, Reward], settings: Reinforcement
) -> dict[str, Any]:
    """The settings and data of a run, which are kept with the adapter."""
    digest = hashlib.sha256("".join(f"{prompt_key(c.messages)}{c.truth}" for c in cases).encode())
    return {
        "base": chat.name,
        "base_fingerprint": fingerprint(chat.model),
        "dtype": str(chat.model.dtype).removeprefix("torch."),
        "quantized": is_quantized(chat),
        "settings": asdict(settings),
        "rewards": list(rewards),
        "examples": {"training": len(cases)},
        "data": digest.hexdigest()[:16],
        "versions": {name: version(name) for name in PACKAGES},
    }

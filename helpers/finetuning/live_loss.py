"""Draw the loss of a run while it trains."""

from __future__ import annotations

from typing import Any

from IPython.display import Markdown, display
from transformers import TrainerCallback

EVERY = 10  # steps; drawing after each step would take longer than the step


class LiveLoss(TrainerCallback):
    """Draws the loss of all steps so far under the cell that trains. Each picture replaces the previous one.

    Give one to `helpers.finetuning.finetune`: ``callbacks=[LiveLoss()]``. ``losses`` holds the losses that were
    logged.
    """

    def __init__(self) -> None:
        self.losses: list[float] = []
        self._shown = display(Markdown("The curve of the loss will appear here."), display_id=True)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **others: Any) -> None:
        """Note a step's loss, and draw all of them every ten steps and at the last."""
        if "loss" not in logs:
            return
        self.losses.append(float(logs["loss"]))
        if self._shown and (state.global_step % EVERY == 0 or state.global_step == state.max_steps):
            self._shown.update(self._drawn(state.max_steps))

    def _drawn(self, steps: int) -> Any:
        import matplotlib.pyplot as plt

        figure, axis = plt.subplots(figsize=(6, 2.2), layout="constrained")
        axis.plot(range(1, len(self.losses) + 1), self.losses)
        axis.set(xlabel="step", ylabel="loss", ylim=(0, None), xlim=(0, steps))
        plt.close(figure)
        return figure

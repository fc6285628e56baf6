"""The loss is drawn every ten steps and at the last, and what is not a loss is passed over."""

from __future__ import annotations

from types import SimpleNamespace

from matplotlib.figure import Figure

from helpers.finetuning import LiveLoss, live_loss


def test_the_losses_so_far_are_drawn_every_ten_steps_and_at_the_last(monkeypatch):
    drawn: list[Figure] = []
    monkeypatch.setattr(live_loss, "display", lambda shown, display_id: SimpleNamespace(update=drawn.append))
    live = LiveLoss()
    for step in range(1, 13):
        state = SimpleNamespace(global_step=step, max_steps=12)
        live.on_log(None, state, None, {"loss": 1 / step})
        live.on_log(None, state, None, {"eval_loss": 5.0})
    assert live.losses == [1 / step for step in range(1, 13)]
    lines = [figure.axes[0].lines[0] for figure in drawn]
    assert [len(line.get_xdata()) for line in lines] == [10, 12]
    assert list(lines[-1].get_xdata()) == list(range(1, 13)) and list(lines[-1].get_ydata()) == live.losses


def test_outside_a_notebook_the_losses_are_kept_and_nothing_is_drawn(monkeypatch):
    monkeypatch.setattr(live_loss, "display", lambda shown, display_id: None)  # as IPython's does there
    live = LiveLoss()
    live.on_log(None, SimpleNamespace(global_step=10, max_steps=10), None, {"loss": 0.5})
    assert live.losses == [0.5]

"""Compare each reply of a group with the others: the advantages of GRPO.

Group relative policy optimisation (Shao et al., DeepSeekMath, arXiv:2402.03300) draws several replies to one
prompt, and uses the mean of their rewards as the expected reward. So it needs no second model that predicts the
reward.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from helpers.errors import InputError

SOFTENING = 1e-4  # added to the spread, as in TRL, so that nothing is divided by zero


def group_advantages(rewards: ArrayLike) -> np.ndarray:
    """How far each reward lies above the mean of its group, in standard deviations of the group.

    The deviation is that of a sample (its squares are divided by one less than their number). If all replies of a
    group earn the same, all advantages are 0, and the group teaches nothing.

    Args:
        rewards: an array (prompts, replies), with at least two replies to each prompt and finite numbers.

    Returns:
        Float64, of the same shape.

    Raises:
        InputError: the array has another shape, or a value is not a finite number.
    """
    values = np.asarray(rewards, dtype=float)
    if values.ndim != 2 or values.shape[1] < 2 or not np.isfinite(values).all():
        raise InputError(
            f"Rewards of shape {values.shape} are not groups of finite numbers.",
            remedy="Give a row for each prompt, with the rewards of two replies or more.",
        )
    centred = values - values.mean(axis=1, keepdims=True)
    return centred / (values.std(axis=1, ddof=1, keepdims=True) + SOFTENING)

from .groups import SOFTENING as SOFTENING, group_advantages as group_advantages
from .marked import (
    Reward as Reward,
    answer_reward as answer_reward,
    check_rewarded as check_rewarded,
    format_reward as format_reward,
)

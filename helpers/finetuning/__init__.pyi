from .batches import Collator as Collator
from .config import finetune_from as finetune_from, read_config as read_config
from .drawing import answers_of as answers_of, draw_replies as draw_replies
from .gpus import GPUS as GPUS, USABLE as USABLE
from .group_planning import GroupPlan as GroupPlan, plan_groups as plan_groups
from .live_loss import LiveLoss as LiveLoss
from .planning import plan as plan
from .reinforcement import Reinforcement as Reinforcement
from .reinforcing import reinforce as reinforce
from .starting_file import write_starting_file as write_starting_file
from .train import finetune as finetune
from .training_data import prepare as prepare
from .tuning import Tuning as Tuning

from .config import finetune_from as finetune_from, read_config as read_config
from .planning import GPUS as GPUS, USABLE as USABLE, plan as plan
from .train import Tuning as Tuning, finetune as finetune
from .training_data import Collator as Collator, prepare as prepare

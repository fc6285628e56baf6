from .batches import Collator as Collator
from .config import finetune_from as finetune_from, read_config as read_config
from .planning import GPUS as GPUS, USABLE as USABLE, plan as plan
from .train import finetune as finetune
from .training_data import prepare as prepare
from .tuning import Tuning as Tuning

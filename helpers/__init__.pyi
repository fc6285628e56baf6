from .data import fetch as fetch
from .errors import InputError as InputError
from .evaluation import read_cases as read_cases, run_evaluation as run_evaluation
from .finetuning import finetune as finetune
from .images import read_image as read_image
from .models import ask_path as ask_path, load_model as load_model
from .prompts import (
    image_messages as image_messages,
    slide_messages as slide_messages,
    volume_messages as volume_messages,
)
from .slides import open_slide as open_slide
from .volumes import read_volume as read_volume

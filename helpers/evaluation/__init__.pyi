from .answer_file import check_output as check_output, read_answers as read_answers
from .answer_shards import read_shards as read_shards
from .asking import Asked as Asked, by_group as by_group
from .comparing import compare as compare
from .example_table import columns_text as columns_text, write_example as write_example
from .intervals import macro as macro, wilson as wilson
from .labelled import (
    COLUMNS as COLUMNS,
    LabelledCase as LabelledCase,
    cases_from as cases_from,
    read_cases as read_cases,
)
from .likelihood import ANSWER_BEGUN as ANSWER_BEGUN, text_before_answer as text_before_answer
from .marks import Answer as Answer, mark as mark, overlap as overlap
from .on_ray import evaluate_on_ray as evaluate_on_ray
from .report import summary as summary, text as text, write_report as write_report
from .run import run_evaluation as run_evaluation
from .scores import score as score

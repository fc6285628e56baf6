from .answer_shards import read_shards as read_shards
from .asking import ANSWER_BEGUN as ANSWER_BEGUN, Asked as Asked, by_group as by_group
from .labelled import (
    COLUMNS as COLUMNS,
    LabelledCase as LabelledCase,
    cases_from as cases_from,
    read_cases as read_cases,
)
from .on_ray import evaluate_on_ray as evaluate_on_ray
from .report import summary as summary, text as text, write_report as write_report
from .run import read_answers as read_answers, run_evaluation as run_evaluation
from .scores import (
    Answer as Answer,
    compare as compare,
    macro as macro,
    mark as mark,
    overlap as overlap,
    score as score,
    wilson as wilson,
)

from .answer_file import (
    check_output as check_output,
    explained as explained,
    only_run as only_run,
    read_answers as read_answers,
)
from .answer_shards import read_run as read_run, read_shards as read_shards
from .asking import (
    Asked as Asked,
    about_case as about_case,
    ask_group as ask_group,
    by_group as by_group,
    parsed_of as parsed_of,
    truth_of as truth_of,
)
from .comparing import compare as compare
from .example_table import columns_text as columns_text, write_example as write_example
from .finding_scores import (
    Agreement as Agreement,
    finding_agreement as finding_agreement,
    finding_counts as finding_counts,
)
from .intervals import macro as macro, of_ratios as of_ratios, wilson as wilson
from .labelled import (
    COLUMNS as COLUMNS,
    LabelledCase as LabelledCase,
    cases_from as cases_from,
    read_cases as read_cases,
)
from .likelihood import (
    ANSWER_BEGUN as ANSWER_BEGUN,
    direct_likelihoods as direct_likelihoods,
    text_before_answer as text_before_answer,
    word_tokens as word_tokens,
)
from .likelihood_scores import (
    LOW_MASS as LOW_MASS,
    roc_points as roc_points,
    valid_likelihood as valid_likelihood,
)
from .marks import MEASURES as MEASURES, Answer as Answer, mark as mark, overlap as overlap
from .on_ray import evaluate_on_ray as evaluate_on_ray
from .patients import in_both as in_both
from .quantities import Quantity as Quantity
from .run import run_evaluation as run_evaluation
from .score_lines import summary as summary, text as text
from .scores import score as score
from .stress_cases import Variant as Variant, stress_variants as stress_variants
from .stress_run import read_stress as read_stress, run_stressed as run_stressed
from .stress_scores import score_stress as score_stress
from .stress_text import stress_summary as stress_summary
from .table_file import MISSING as MISSING

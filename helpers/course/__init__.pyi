from .badges import (
    BRANCH as BRANCH,
    repository_address as repository_address,
    update_badges as update_badges,
)
from .doctor import examine as examine, report as report
from .model_time import (
    BANDWIDTH_SHARE as BANDWIDTH_SHARE,
    COMPUTE_SHARE as COMPUTE_SHARE,
    HARDWARE as HARDWARE,
    LAUNCH as LAUNCH,
    MEDGEMMA_4B as MEDGEMMA_4B,
    Hardware as Hardware,
    Seconds as Seconds,
    Weights as Weights,
    estimate as estimate,
    likely as likely,
    measured_speed as measured_speed,
    minutes_on_cpu as minutes_on_cpu,
    read_operations as read_operations,
    step_bytes as step_bytes,
    vision_operations as vision_operations,
)
from .notebook_files import (
    NOTEBOOKS as NOTEBOOKS,
    choose_notebooks as choose_notebooks,
    find_notebooks as find_notebooks,
    notebook_number as notebook_number,
)
from .parameters import typed_value as typed_value
from .published import published_reply as published_reply
from .run_report import (
    html_exporter as html_exporter,
    key_figures as key_figures,
    notebook_title as notebook_title,
    without_widgets as without_widgets,
)
from .runner import run_notebooks as run_notebooks

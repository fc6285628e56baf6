from .badges import update_badges as update_badges
from .doctor import examine as examine, report as report
from .parameters import typed_value as typed_value
from .run_report import (
    key_figures as key_figures,
    notebook_title as notebook_title,
    without_widgets as without_widgets,
)
from .runner import NOTEBOOKS as NOTEBOOKS, run_notebooks as run_notebooks

from .folder_run import (
    FoundPages as FoundPages,
    ReportPage as ReportPage,
    ask_reports as ask_reports,
    find_pages as find_pages,
)
from .made_replies import (
    ErrorRates as ErrorRates,
    made_reply as made_reply,
    record_made_replies as record_made_replies,
)
from .made_reports import MadeReport as MadeReport, make_report as make_report, make_reports as make_reports
from .matching import likeness as likeness, match_rows as match_rows
from .printed_numbers import Number as Number, read_number as read_number, read_span as read_span
from .replies import (
    ReadReply as ReadReply,
    ReadRow as ReadRow,
    as_reply as as_reply,
    join_pages as join_pages,
    read_reply as read_reply,
)
from .row_scores import count_fields as count_fields, score_replies as score_replies
from .same_fields import same_field as same_field
from .scans import SCANS as SCANS
from .schema import (
    FIELDS as FIELDS,
    OWN_SCHEMA as OWN_SCHEMA,
    LabRow as LabRow,
    lab_question as lab_question,
    read_schema as read_schema,
)
from .units import same_unit as same_unit, ucum_code as ucum_code

from .kinds import Entry as Entry
from .long_record import RecordQuestion as RecordQuestion, record_questions as record_questions
from .patient_history import History as History, read_history as read_history
from .words import When as When

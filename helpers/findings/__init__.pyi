from .statements import Statements as Statements, finding_states as finding_states
from .terms import Terms as Terms, read_terms as read_terms

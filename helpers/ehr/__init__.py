"""A patient's record in FHIR R4 to the dated history of a prompt. Loads ``fhir.resources`` when a file is read.

In: a Bundle of one patient, in JSON. Out: a `History`, newest entry first, without name, address or identifiers;
and questions about it whose answers are computed from it.

- ``bundle``: the file, checked: FHIR R4, one patient, references that resolve.
- ``identity``: the words that name or find the patient and others, hidden wherever a text of the record has them.
- ``words``: how codes, amounts and dates are said; a date keeps the precision that it has.
- ``kinds``: a resource to an entry, or the reason why it is not told as the patient's own.
- ``patient_history``: the entries by time, as text within a budget of tokens.
- ``long_record``: questions over a whole record, with their answers.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

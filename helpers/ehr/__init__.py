"""Turn a patient's record in FHIR R4 into a dated history for a prompt.

In: a Bundle of one patient, in JSON. Out: a `History`, newest entry first, without name, address or identifiers,
and questions about it with their answers. The package ``fhir.resources`` is loaded when the first file is read.

- ``bundle``: reads the file, and checks that it is FHIR R4 and holds one patient.
- ``identity``: hides the words that name or find the patient or somebody else in the texts of the record.
- ``words``: puts codes, amounts and dates into words. A year without a month stays a year.
- ``kinds``: turns a resource into an entry of the history, or gives the reason why it has none.
- ``patient_history``: sorts the entries by time, and writes them as text within a budget of tokens.
- ``long_record``: makes questions about a whole record, with their answers.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

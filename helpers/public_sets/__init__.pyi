from .layouts import PublicSet as PublicSet
from .published import (
    PUBLISHED as PUBLISHED,
    REPORT as REPORT,
    Published as Published,
    published_lines as published_lines,
)
from .tables import (
    SETS as SETS,
    WrittenTable as WrittenTable,
    about as about,
    public_set as public_set,
    write_table as write_table,
)

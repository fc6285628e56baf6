from .files import (
    json_text as json_text,
    make_folder as make_folder,
    whole_file as whole_file,
    whole_folder as whole_folder,
    write_json as write_json,
)
from .hashes import file_sha256 as file_sha256
from .places import existing as existing, free_place as free_place
from .stores import Store as Store, filesystem as filesystem, is_local as is_local, load_pyarrow as load_pyarrow

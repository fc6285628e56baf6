from .deidentified import (
    HEADERS_REMEDY as HEADERS_REMEDY,
    HeadersRead as HeadersRead,
    ImageSource as ImageSource,
    check_may_leave as check_may_leave,
    identifying_in as identifying_in,
    may_show_text_in as may_show_text_in,
)
from .hashed_files import HashedFiles as HashedFiles, check_all_unchanged as check_all_unchanged
from .image import page_count as page_count, read_image as read_image
from .model_images import (
    MODALITIES as MODALITIES,
    check_readable as check_readable,
    part_images as part_images,
    read_images as read_images,
    volume_images as volume_images,
)
from .pdf_pages import is_pdf as is_pdf
from .reading import Reading as Reading
from .study import (
    VOLUME_KINDS as VOLUME_KINDS,
    Part as Part,
    Study as Study,
    find_parts as find_parts,
    find_study as find_study,
    known_modality as known_modality,
    part_volume as part_volume,
    stands_alone as stands_alone,
)

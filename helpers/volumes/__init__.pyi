from .dicom_slices import find_dicom_files as find_dicom_files, promises_dicom as promises_dicom
from .stacked import prompt_names as prompt_names, share_slices as share_slices
from .volume import (
    Volume as Volume,
    apply_window as apply_window,
    ct_to_rgb as ct_to_rgb,
    mri_to_rgb as mri_to_rgb,
    read_volume as read_volume,
    select_slices as select_slices,
    volume_to_rgb as volume_to_rgb,
)

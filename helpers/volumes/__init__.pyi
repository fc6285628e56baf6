from .codestream import (
    check_coded as check_coded,
    coded_frame as coded_frame,
    coded_frames as coded_frames,
)
from .colours import (
    apply_window as apply_window,
    ct_to_rgb as ct_to_rgb,
    measured_range as measured_range,
    mri_to_rgb as mri_to_rgb,
    select_slices as select_slices,
    tissue_slices as tissue_slices,
    volume_to_rgb as volume_to_rgb,
)
from .dicom_files import (
    MADE as MADE,
    PassedOver as PassedOver,
    begins_as_dicom as begins_as_dicom,
    find_dicom_files as find_dicom_files,
    is_dicom_file as is_dicom_file,
    is_hidden as is_hidden,
    names_by_kind as names_by_kind,
    promises_dicom as promises_dicom,
)
from .dicom_pixels import empty_below as empty_below, read_dataset as read_dataset, undecodable as undecodable
from .dicom_series import NothingMatchesError as NothingMatchesError
from .dicomweb import RemoteSeries as RemoteSeries
from .header_values import header_text as header_text, header_value as header_value
from .nifti import volumes_in_nifti as volumes_in_nifti
from .segments import read_segments as read_segments
from .sequences import is_label_map as is_label_map, prompt_names as prompt_names
from .stacked import share_slices as share_slices
from .volume import Volume as Volume, is_nifti as is_nifti, read_volume as read_volume

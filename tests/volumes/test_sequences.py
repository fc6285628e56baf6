"""What a volume is called in a prompt, as data sets and hospitals write it."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, strategies as st

from helpers.volumes import is_label_map, prompt_names

DATA_SETS = {
    "BraTS20_Training_001_t1": "T1",
    "BraTS20_Training_001_t1ce.nii.gz": "T1 with contrast",
    "case_001_t1gd.nii": "T1 with contrast",
    "case_001_t2.nii.gz": "T2",
    "case_001_flair.nii.gz": "FLAIR",
    "BraTS-GLI-00001-000-t1n.nii.gz": "T1",
    "BraTS-GLI-00001-000-t1c.nii.gz": "T1 with contrast",
    "BraTS-GLI-00001-000-t2w.nii.gz": "T2",
    "BraTS-GLI-00001-000-t2f.nii.gz": "FLAIR",
    "sub-01_T1w.nii.gz": "T1",
    "sub-01_ce-gadolinium_T1w.nii.gz": "T1 with contrast",
    "sub-01_ce-none_T1w": "T1",
    "sub-01_T2w": "T2",
    "sub-01_FLAIR": "FLAIR",
    "sub-01_T2star": "T2*",
    "sub-01_T2starw.nii.gz": "T2*",
    "sub-01_PDw": "PD",
    "sub-01_dwi": "DWI",
    "sub-01_SWI": "SWI",
    "sub-01_swi": "SWI",
    "sub-01_inplaneT1": "T1",
    "sub-01_inv-1_MP2RAGE": "T1",
    "sub-01_UNIT1": "T1",
    "sub-01_T1map": "T1 map",
    "sub-01_PDT2": "T2 PD",
    "sub-T2_T1w.nii.gz": "T1",
    "sub-t1_ses-post_acq-flair_rec-adc_T2w": "T2",
    "sub-T2_anat": "volume",
    "sub-T2.nii.gz": "volume",
    "sub-01_acq-T1_anat": "T1",
    "sub-01-T1.nii.gz": "T1",
    "sub-01_T1w_brain.nii.gz": "T1",
    "sub-strokecase0001_ses-0001_adc.nii.gz": "ADC",
    "sub-stroke0001_ses-01_ncct.nii.gz": "without contrast",
    "sub-stroke0001_ses-01_cta.nii.gz": "CT angiography",
    "sub-stroke0001_ses-01_space-ncct_tmax.nii.gz": "Tmax",
    "IXI002-Guys-0828-T1.nii.gz": "T1",
    "IXI002-Guys-0828-PD.nii.gz": "PD",
    "IXI002-Guys-0828-MRA.nii.gz": "MRA",
    "IXI002-Guys-0828-DTI-00.nii.gz": "DTI",
}
MR = {
    "AX T1": "T1",
    "AX T1 POST": "T1 with contrast",
    "Ax T1 +C": "T1 with contrast",
    "Ax T1+C FS": "T1 with contrast",
    "T1 C+": "T1 with contrast",
    "T1 C-": "T1",
    "T2 C-spine": "T2",
    "T1 post Gd": "T1 with contrast",
    "T1 GAD": "T1 with contrast",
    "T1 KM": "T1 with contrast",
    "t1_tse_tra_nach KM": "T1 with contrast",
    "t1_tse_tra_ohne KM": "T1",
    "T1 CE": "T1 with contrast",
    "post contrast T1": "T1 with contrast",
    "T1 postcontrast": "T1 with contrast",
    "t1 vibe fs cm": "T1 with contrast",
    "T1 FOV 24 cm": "T1",
    "T1 pre": "T1",
    "T1 nativ": "T1",
    "T1 native": "T1",
    "T1 without contrast": "T1",
    "T1 non-contrast": "T1",
    "T1 w/wo contrast": "T1",
    "T1 +C w/o FS": "T1 with contrast",
    "T1 post-op": "T1",
    "pre op T1 +C": "T1 with contrast",
    "t1_mprage_sag_p2_iso": "T1 MPRAGE",
    "t1_mprage_sag_p2_iso KM": "T1 MPRAGE with contrast",
    "MPRAGE": "MPRAGE",
    "t1_vibe_fs_tra arterial": "T1 arterial phase",
    "T1 subtraction": "T1 subtraction",
    "Ax T2 FLAIR": "T2 FLAIR",
    "T2FLAIR": "T2 FLAIR",
    "FLAIR +C": "FLAIR with contrast",
    "t2_tirm_tra_dark-fluid_fs": "T2 FLAIR",
    "t2_spc_da-fl_sag": "T2 FLAIR",
    "dark fluid": "FLAIR",
    "TIRM cor": "STIR",
    "Sag STIR": "STIR",
    "T2*": "T2*",
    "T2 star": "T2*",
    "Ax T2* GRE": "T2*",
    "AX GRE T2": "T2*",
    "t2_fl2d_tra_hemo": "T2*",
    "AX GRE": "GRE",
    "T1 GRE 3D": "T1",
    "AX SWI": "SWI",
    "Ax SWAN": "SWI",
    "SWI venous": "SWI",
    "mIP_Images(SW)": "SWI",
    "MRV venous": "MRV",
    "PD fs": "PD",
    "PDFS cor": "PD",
    "3D TOF MRA": "TOF angiography",
    "CE-MRA": "MRA with contrast",
    "Phase contrast MRA": "MRA",
    "perfusion": "perfusion",
    "DSC perfusion": "DSC perfusion",
    "dynamic susceptibility contrast DSC": "DSC perfusion",
    "3D ASL": "ASL perfusion",
    "relCBF": "CBF",
}
DIFFUSION = {
    "DWI b1000": "DWI b=1000",
    "ep2d_diff_3scan_trace_b1000": "DWI b=1000",
    "ep2d_diff_3scan_trace": "DWI",
    "b=1000": "DWI b=1000",
    "b = 1000": "DWI b=1000",
    "DWI b-value 800": "DWI b=800",
    "TRACEW": "DWI",
    "isoDWI": "DWI",
    "TRACEW b1000": "DWI b=1000",
    "DWI b0": "DWI b=0",
    "b=0": "DWI b=0",
    "DWI b0 b1000": "DWI",
    "DWI b50_400_800": "DWI",
    "DWI b1000 2": "DWI b=1000",
    "B0 map": "volume",
    "B1234 T1": "T1",
    "Smith B1234": "volume",
    "ADC": "ADC",
    "ep2d_diff_b1000_ADC": "ADC",
    "ADC (10^-6 mm2/s)": "ADC",
    "Apparent Diffusion Coefficient (mm2/s)": "ADC",
    "eADC": "exponential ADC",
    "DTI_64dir_b1000": "DTI b=1000",
    "ep2d_diff_mddw_20_FA": "fractional anisotropy",
}
CT = {
    "Thorax bone": "bone",
    "LUNG 1.0": "lung",
    "Soft tissue": "soft",
    "STANDARD": "standard",
    "Abdomen arterial": "arterial phase",
    "late arterial": "arterial phase",
    "portal": "portal venous phase",
    "Abdomen portal venous 3mm": "portal venous phase",
    "ABD PV": "portal venous phase",
    "portovenös": "portal venous phase",
    "venous": "venous phase",
    "venös lung": "lung venous phase",
    "delayed": "delayed phase",
    "arterial and delayed": "with contrast",
    "CT native": "without contrast",
    "non contrast": "without contrast",
    "CT HEAD W/O CONTRAST": "without contrast",
    "CT with and without contrast": "volume",
    "Brain without contrast": "brain without contrast",
    "CT chest with contrast": "with contrast",
    "CT perfusion": "CT perfusion",
    "B50": "volume",
}
NO_MATCH = {"ADCX": "volume", "T12 vertebra": "volume", "T10": "volume", "POSTERIOR T1": "T1", "T1-L5": "volume"}


@pytest.mark.parametrize(
    ("written", "name"), [pair for table in (DATA_SETS, MR, DIFFUSION, CT, NO_MATCH) for pair in table.items()]
)
def test_a_volume_is_called_by_what_it_is(written: str, name: str) -> None:
    assert prompt_names([written]) == [name]
    assert prompt_names([written.upper()]) == [name] == prompt_names([written.lower()])
    assert prompt_names([name]) == [name]  # what stands in a prompt is read as what it says


def test_a_name_that_comes_twice_is_numbered() -> None:
    said = ["T1", "ax t1 fs", "T1 post", "sub-1_T1w", "", "Smith", "T1 Gd"]
    names = ["T1", "T1 #2", "T1 with contrast", "T1 #3", "volume", "volume #2", "T1 with contrast #2"]
    assert prompt_names(said) == names


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("DOE^JANE 19700101 AX FLAIR", "FLAIR"),
        ("sub-JaneDoe_acq-Miller_T1w.nii.gz", "T1"),
        ("Miller, brain, bone", "brain bone"),
        ("Miller_Jane_4711", "volume"),
        ("MÜLLER T1 2026-05-17", "T1"),
    ],
)
def test_a_patient_stays_out_of_a_prompt(written: str, name: str) -> None:
    assert prompt_names([written]) == [name]


@given(st.text(string.ascii_letters + string.digits + " _-.^=+*/", max_size=40))
def test_only_known_words_come_out_whatever_is_written(text: str) -> None:
    (name,) = prompt_names([f"{text} zyxw T2"])
    assert "zyxw" not in name.lower()


@pytest.mark.parametrize(
    "name",
    [
        "BraTS-GLI-00001-000-seg.nii.gz",
        "BraTS20_Training_001_seg.nii",
        "Segmentation.seg.nrrd",
        "sub-01_T1w_brainmask.nii.gz",
        "sub-01_label-lesion_mask.nii.gz",
        "sub-01_dseg.nii.gz",
        "sub-01_label-GM_probseg.nii.gz",
        "brain_mask.nii.gz",
        "lesion-mask.nii.gz",
        "tumor_seg.nii.gz",
        "mask.nii.gz",
        "case_001.labels.nrrd",
        "scan-LABELMAP.mha",
        "case_gt.nii.gz",
        "case_ground-truth.nii.gz",
        "aseg.mgz",
        "aparc+aseg.mgz",
        "atlas_parcellation.nii.gz",
        "study/labelsTr/liver_001.nii.gz",
        "patient_roi",
    ],
)
def test_a_label_map_is_known_by_its_last_word(name: str) -> None:
    assert is_label_map(name) and is_label_map(name.replace("seg", "SEG"))


@pytest.mark.parametrize(
    "name",
    [
        "segmental_ct.nii.gz",
        "T1_segmented_brain.nii.gz",
        "T1_segmented.nii.gz",
        "mask_T1.nii.gz",
        "lesion.nii.gz",
        "unmask.nii.gz",
        "seg_0000.nii.gz",
        "masks/sub-01_T1w.nii.gz",
        "imagesTr/liver_001_0000.nii.gz",
        "",
    ],
)
def test_an_image_is_no_label_map(name: str) -> None:
    assert not is_label_map(name)

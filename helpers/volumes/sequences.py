"""Give a volume its name in a prompt, from its file name or its series description.

Data sets and hospitals write the same sequence in many ways: ``-t1c``, ``ce-gadolinium_T1w``, "AX T1 POST". Here
they become one name, "T1 with contrast". Unknown words are left out, because a description may name a patient and
a prompt may leave this machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath


def _words(pattern: str) -> re.Pattern[str]:
    """A pattern that matches whole words: "T1" is neither in "T12" nor in "XT1"."""
    return re.compile(rf"(?<!\w)(?:{pattern})(?!\w)")


_LEVELS = r"(?! ?- ?(?:T[3-9]|T1[0-2]|L[1-5])(?!\w))"  # T1 to L5 are vertebrae here
_GRADIENT = r"(?:GRE|FFE|FL2D|HEMO)"  # next to these words, T2 means T2*

# The name for a prompt -> how scanners and data sets write it. If a name has several parts, they follow this
# order: T2 FLAIR.
_SEQUENCES = {
    name: _words(pattern)
    for name, pattern in {
        "T1 map": r"T1[ -]?MAP",
        "T2 map": r"T2[ -]?MAP",
        "T1": rf"(?:3D|INPLANE)?T1(?:WI?|N|FS|W?(?:C|CE|CM|KM|GD|GAD|PRE|POST)|FLAIR)?{_LEVELS}"
        r"|MP2RAGE|UNIT1|VIBE|THRIVE|F?SPGR",
        "T2": rf"(?:3D|INPLANE|PD)?T2(?:WI?|FS|FLAIR)?{_LEVELS}",
        "T2*": rf"T2 ?(?:\*|STARW?)|T2W?\b.*\b{_GRADIENT}|{_GRADIENT}\b.*\bT2W?",
        "PD": r"PD(?:W|FS|T2)?|PROTON[ -]?DENSITY",
        "MPRAGE": r"MP-?RAGE",
        "FLAIR": r"(?:T[12])?FLAIR|T2F|DARK[ -]?FLUID|DA-FL",
        "STIR": r"STIR|TIRM",
        "DWI": r"(?:ISO|S)?DWI|DIFF|DIFFUSION|TRACEW?",
        "DTI": r"DTI",
        "fractional anisotropy": r"FRACTIONAL ANISO(?:TROPY)?|COLFA|FA$",
        "ADC": r"ADC|APPARENT DIFF\w* COEF\w*",
        "exponential ADC": r"E-?ADC|EXP\w*[ -]?(?:ADC|APPARENT DIFF\w* COEF\w*)",
        "SWI": r"SWIP?|SWAN|IMAGES SW|SUSCEPTIBILITY[ -]WEIGHTED",
        "GRE": r"GRE",
        "TOF angiography": r"TOF",
        "MRA": r"(?:CE-?)?MRA",
        "MRV": r"MRV",
        "CT angiography": r"CTA|CT ANGIO(?:GRAPHY)?",
        "angiography": r"ANGIO(?:GRAPHY)?",
        "DSC perfusion": r"DSC",
        "DCE": r"DCE",
        "ASL perfusion": r"P?C?ASL",
        "CT perfusion": r"CTP|CT PERF(?:USION)?",
        "perfusion": r"PERF|PERFUSION",
        "CBF": r"R?(?:EL)?CBF",
        "CBV": r"R?(?:EL)?CBV",
        "MTT": r"R?(?:EL)?MTT",
        "TTP": r"TTP",
        "Tmax": r"TMAX",
        "subtraction": r"SUBTRACT(?:ION|ED)",
    }.items()
}
# A more exact name replaces the less exact ones beside it. GRE is used only if there is no other name.
_STANDS_FOR = {
    "T1 map": {"T1"},
    "T2 map": {"T2"},
    "T2*": {"T2"},
    "FLAIR": {"STIR"},  # Siemens says "tirm dark-fluid"; its TIRM alone is a STIR
    "DTI": {"DWI"},
    "fractional anisotropy": {"DWI", "DTI"},
    "ADC": {"DWI", "DTI"},
    "exponential ADC": {"ADC", "DWI", "DTI"},
    "SWI": {"T2*", "T2"},
    "TOF angiography": {"MRA", "angiography"},
    "MRA": {"angiography"},
    "CT angiography": {"angiography"},
    "DSC perfusion": {"perfusion"},
    "ASL perfusion": {"perfusion"},
    "CT perfusion": {"perfusion"},
}
_KERNELS = {word: _words(word.upper()) for word in ("brain", "bone", "lung", "soft", "standard")}
_PHASES = {
    "arterial phase": _words(r"ARTERIAL|ARTERIELL\w*"),
    "portal venous phase": _words(r"PORTAL(?:[ -]?VEN\w*)?|PORTO-?VEN\w*|PVP?"),
    "venous phase": _words(r"(?<!PORTAL )(?<!PORTAL-)(?<!PORTO-)VEN(?:OUS|ÖS|OES)\w*"),
    "delayed phase": _words(r"DELAYED|DELAY|EQUILIBRIUM"),
}

# "post op" and "pre treatment" tell when a patient came, but nothing about a contrast medium.
_VISIT = r"(?![ -]?(?:OP|SURG|TREAT|THERAP|CHEMO|RADI|RT|BIOPSY)\w*)"
_MEDIUM = r"(?:CONTRAST|KONTRAST\w*|GADOLINIUM|GADO?|GD|KM|CM)"
_WITH = re.compile(
    rf"(?<!\w)(?:POST{_VISIT}|(?:POST)?{_MEDIUM}|CE|CECT|CE-?MRA|ENHANCED|T1W?(?:C|CE|CM|KM|GD|GAD|POST))(?!\w)"
    r"|\+ ?C(?!\w)|(?<!\w)C\+"
)
_WITHOUT = re.compile(
    rf"(?<!\w)(?:PRE{_VISIT}|PRE-?{_MEDIUM}|T1W?PRE|NATIVE?|NON?[ -]?(?:CON|CONTRAST|ENHANCED)|UNENHANCED"
    rf"|NCCT|NECT|(?:T1W?)?C-|(?:W/?O|WITHOUT)(?! ?(?:FS|FAT|GAP))|(?:OHNE|VOR)[ -]{_MEDIUM})(?!\w)"
)
_BOTH = _words(r"W(?:ITH|/?O|ITHOUT)?(?: AND |[ /+]+)W(?:ITH|/?O|ITHOUT)?")  # "w/wo" says neither
_NO_MEDIUM = _words(r"(?:PHASE|SUSCEPTIBILITY)[ -]CONTRAST|\d+ ?CM")  # names of a measurement, and centimetres

_SUFFIXES = re.compile(r"(?:\.(?:NII|GZ|NRRD|NHDR|MHA|MHD|MG[HZ]|HDR|IMG|DCM|TIFF?|ZIP))+$")
_LABELS = re.compile(
    r"(?:^|[\s_.+-])(?:[DA]?SEG|SEGM|SEGMENTATIONS?|PROBSEG|LABELS?|LABELMAP|MASKS?|BRAINMASK|ROI|GT"
    r"|GROUND[ _-]?TRUTH|PARCELLATION|APARC|WMPARC)$"
)


def prompt_names(descriptions: Sequence[str]) -> list[str]:
    """A name for each volume from its series description or file name: "T1 with contrast", "bone" or "volume".

    A name holds only known words of sequences, contrast, phases and kernels, and the b-value of diffusion, because
    a prompt may leave this machine and a description may name a patient. Equal names are numbered.
    """
    names: list[str] = []
    for description in descriptions:
        name = _name(description) or "volume"
        taken = sum(other.partition(" #")[0] == name for other in names)
        names.append(f"{name} #{taken + 1}" if taken else name)
    return names


def is_label_map(name: str) -> bool:
    """Whether a file's name says that it holds a segmentation, a mask or other labels, not an image.

    The last word before suffixes such as ``.nii.gz`` decides: ``BraTS-GLI-00001-000-seg``, ``brain_mask``. If the
    name includes a folder, the folders ``labelsTr`` and ``labelsTs`` of nnU-Net count too.
    """
    path = PurePath(name)
    if path.parent.name in ("labelsTr", "labelsTs"):
        return True
    return _LABELS.search(_SUFFIXES.sub("", path.name.upper())) is not None


def _name(description: str) -> str:
    """The name from a file's name or a description; "" if no word is known."""
    stem = _SUFFIXES.sub("", description.strip().upper())
    if re.match(r"SUB-\S+$", stem):
        return _name_in_bids(stem)
    return _name_of_words(stem)


def _name_in_bids(stem: str) -> str:
    """The name from a BIDS file name: from its last part, and the contrast from ``ce-``; never from a subject's
    label.

    If the last part is not a known word, the other parts are used, and then ``acq-`` and ``rec-``.
    """
    subject, *parts = stem.split("_")
    if not parts:  # "sub-01-T1" breaks the rules of BIDS, but occurs
        parts = ["".join(subject.split("-", 2)[2:])]
    entities = dict(part.split("-", 1) for part in parts if re.match(r"[A-Z]+-", part))
    # FSL names a T1w without its skull "T1w_brain".
    words = [part for part in reversed(parts) if part != "BRAIN" and part.partition("-")[0] not in entities]
    medium = " CE" if entities.get("CE", "NONE") not in ("NONE", "NO") else ""
    for word in (*words, entities.get("ACQ", ""), entities.get("REC", "")):
        if _name_of_words(word):
            return _name_of_words(word + medium)
    return _name_of_words(medium)


def _name_of_words(text: str) -> str:
    """The name from free words in capitals."""
    text = " ".join(re.sub(r"[^\w+*=/-]|_", " ", text).split())
    found = [name for name, pattern in _SEQUENCES.items() if pattern.search(text)]
    hidden = set().union(*(_STANDS_FOR.get(name, set()) for name in found))
    if len(found) > 1:
        hidden.add("GRE")
    name = " ".join(sequence for sequence in found if sequence not in hidden)
    if name in ("", "DWI", "DTI") and (b := _b_value(text, sure=bool(name))):
        name = f"{name or 'DWI'} b={b}"
    words = [name] if name else [kernel for kernel, pattern in _KERNELS.items() if pattern.search(text)]
    return " ".join(filter(None, [*words, _contrast(text, name)]))


def _contrast(text: str, sequence: str) -> str:
    """The phase of a contrast medium, or whether there was one; "" for an MR sequence without one."""
    text = _NO_MEDIUM.sub(" ", text)
    if _WITHOUT.search(text):
        return "" if sequence or _BOTH.search(text) else "without contrast"
    # Beside SWI or TOF, "venous" names vessels. Only a CT, or a T1 of the liver, has a phase.
    phases = [phase for phase, pattern in _PHASES.items() if pattern.search(text)]
    if phases and (not sequence or sequence.startswith("T1")):
        return phases[0] if len(phases) == 1 else "with contrast"
    return "with contrast" if _WITH.search(text) else ""


def _b_value(text: str, *, sure: bool) -> str:
    """The b-value in a text; "" if it has none or several.

    If no word of diffusion stands beside it (``sure``), "b=0" and "B1000" are b-values, but a "B0 map" and the CT
    kernel "B50" are not. Without "=", a b-value must be a multiple of 50, because a patient's number seldom is
    one.
    """
    values: set[int] = set()
    for match in re.finditer(r"(?<!\w)B(?:[ -]?VAL(?:UE)?S?)?([ =-]*)(\d{1,4})((?:[ /+-]+\d+)*)(?!\w)", text):
        between, first, more = match[1], int(match[2]), [int(number) for number in re.findall(r"\d+", match[3])]
        if "=" in between or (first % 50 == 0 and (sure or (first >= 100 and not between))):
            values |= {first, *(number for number in more if number and number % 50 == 0)}
    return str(*values) if len(values) == 1 else ""

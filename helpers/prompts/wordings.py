"""The prompts of the report and of the official notebooks, word for word, beside those of `helpers.prompts`.

Report: MedGemma 1.5 technical report, arXiv:2604.05081v2 (May 2026), appendix B, read as HTML (ar5iv, August
2026). Notebooks: of github.com/Google-Health/medgemma, as they stood in January and February 2026. Blanks are
Python format fields; line ends are those of a table's cell. If a source prints no words for a task, its entry is
None.
"""

from __future__ import annotations

from typing import NamedTuple

from helpers.prompts import templates
from helpers.prompts.number_answers import NUMBER_QUESTION


class Published(NamedTuple):
    """The words of one source."""

    text: str  # with the blanks as Python format fields
    source: str  # where they stand: a table of the report, or a notebook's name


class Wording(NamedTuple):
    "One task: the published words, the constant of `helpers.prompts` with our words, and why these differ."

    report: Published | None
    notebook: Published | None
    constant: str  # "" where this package has no words of its own for it
    difference: str

    @property
    def ours(self) -> str:
        """The words that this package uses; "" if it has none."""
        return _OURS[self.constant] if self.constant else ""


_OURS = vars(templates) | {"NUMBER_QUESTION": NUMBER_QUESTION}
_MOST_LIKELY = (
    'You must choose the most likely diagnosis and respond with "The most likely diagnosis is:" followed by '
    "your choice letter."
)

WORDINGS: dict[str, Wording] = {
    "CT volume": Wording(
        Published(templates.CT_QUESTION, "Table 13, CT-US1"),
        Published(
            "\n\nBased on the visual evidence in the slices provided above, is this image a good teaching "
            "example of liver pathology? Comment on hypodense lesions or other hepatic irregularities. Do not "
            "comment on findings outside the liver. Please provide your reasoning and conclude with a 'Final "
            "Answer: yes' or 'Final Answer: no'.",
            "high_dimensional_ct_model_garden.ipynb",
        ),
        "CT_QUESTION",
        "Our text is the report's, with its three dots after the history.",
    ),
    "MRI volume": Wording(
        Published(templates.MRI_QUESTION, "Table 13, MRI-US1"),
        None,
        "MRI_QUESTION",
        "Our text is the report's, with its comma after the history and no quotes around the "
        "condition. We left out the table's stray quote at the start and its doubled quotes around "
        "Final Answer.",
    ),
    "chest CT (CT-RATE)": Wording(
        Published(templates.CT_RATE_QUESTION, "Table 13, CT-RATE"),
        None,
        "CT_RATE_QUESTION",
        "Our text is the printed one, with a blank for the condition. The report prints one condition: Emphysema.",
    ),
    "before a volume's slices": Wording(
        None,
        Published(
            "You are an instructor teaching medical students. You are analyzing a contiguous block of CT slices "
            "from the center of the abdomen. Please review the slices provided below carefully.",
            "high_dimensional_ct_model_garden.ipynb",
        ),
        "VOLUME_INSTRUCTION",
        "Our text fits any CT or MR volume and says the direction of the slices. The report prints "
        "the slices as `SLICE 1` and so on (section 3.2.1), without words before them.",
    ),
    "before the slices of several volumes": Wording(
        None,
        None,
        "VOLUMES_INSTRUCTION",
        "The text is ours. The report lets several volumes share the 85 slices, and does not print "
        "how the prompt tells them apart.",
    ),
    "whole slide": Wording(
        Published(
            "Provide a brief diagnostic text for the set of pathology patches extracted from a pathology slide. "
            "Consider the tissue type and procedure (below) when deciding what to include in the diagnostic "
            "text. {type_procedure} {question}",
            "Table 9, Pathology WSI",
        ),
        Published(
            "You are an instructor teaching medical students. For education purposes, provide a brief "
            "descriptive text for the set of pathology patches extracted from a pathology slide. Consider the "
            "tissue type and procedure (below) when deciding what to include in the descriptive text.\n"
            "{type_procedure}",
            "high_dimensional_pathology_hugging_face.ipynb",
        ),
        "SLIDE_INSTRUCTION",
        "The words are the report's, without its blank for a question. The order is the notebook's, with the "
        "text before the patches. Table 9 has the patches first, as `slide_messages(..., text_first=False)` "
        "writes them. The notebook fills "
        'its blank with "colon, biopsy:".',
    ),
    "several slides of one specimen": Wording(
        None,
        None,
        "SLIDES_INSTRUCTION",
        "The text is ours. It follows the report's text for one slide, because the report has no text "
        "for several slides.",
    ),
    "chest radiograph, yes or no": Wording(
        Published(templates.YES_NO_QUESTION, "Table 8, MIMIC-CXR, CheXpert and CXR14"),
        None,
        "YES_NO_QUESTION",
        'Our text is the report\'s, with two corrections: the table writes "responce" and does not '
        "close its last quote.",
    ),
    "question about an image": Wording(
        Published(templates.CHOICE_QUESTION, "Table 9, SlakeVQA and VQA-Rad"),
        None,
        "CHOICE_QUESTION",
        "None.",
    ),
    "question in words alone": Wording(
        Published(
            "{question}\nYou may write out your argument before stating your final, very short, definitive, and "
            "concise answer (no more than a few words or the letter corresponding to your answer choice if the "
            'question is multiple choice) X in the format "Final Answer: X":',
            "Table 7, MedQA and five more",
        ),
        None,
        "CHOICE_QUESTION",
        "We use one template for both kinds of question. It has the parenthesis before the X.",
    ),
    "thinking": Wording(
        Published(templates.THINKING_INSTRUCTION, "Appendix B, benchmarks of text alone"),
        Published(
            "SYSTEM INSTRUCTION: think silently if needed. {system_instruction}",
            "quick_start_with_model_garden.ipynb",
        ),
        "THINKING_INSTRUCTION",
        "Our text is the report's. The notebook adds its own words for the system after it.",
    ),
    "boxes": Wording(
        Published("Where is the {target}?", "Table 12, Chest ImaGenome"),
        Published(templates.BOX_QUESTION, "cxr_anatomy_localization_with_hugging_face.ipynb"),
        "BOX_QUESTION",
        "Our text is the notebook's. The report asked for numbers from 0 to 1 (section 3.2.4), in "
        "words that it does not print. The course reads answers of both scales.",
    ),
    "change between two radiographs": Wording(
        None,
        Published(
            "Provide a comparison of these two images and include details from\nthe image which students should "
            "take note of when reading longitudinal CXR\n",
            "cxr_longitudinal_comparison_with_hugging_face.ipynb",
        ),
        "CHANGE_QUESTION",
        "The text is ours. The report offered (A) Improved, (B) Stable and (C) Worsened (section "
        "3.2.3) and does not print its words. The notebook asks for free text. Our text names the "
        "order of the images and asks for the word.",
    ),
    "number": Wording(
        None, None, "NUMBER_QUESTION", "The text is ours. The report asks no question whose answer is a number."
    ),
    "skin (DermMCQA)": Wording(
        Published(f"{{question}} {_MOST_LIKELY}", "Table 9, DermMCQA"),
        None,
        "",
        "Not asked here; answers of this form are read.",
    ),
    "fundus (EyePACS)": Wording(
        Published(
            "Given this fundus image, determine the most likely diabetic retinopathy (DR) stage present, even if "
            "you are unsure:\nA: No DR\nB: mild DR\nC: moderate DR\nD: severe DR\nE: proliferative DR\n"
            f"{_MOST_LIKELY}",
            "Table 9, EyePACS",
        ),
        None,
        "",
        "Not asked here; answers of this form are read.",
    ),
    "lab report": Wording(
        Published(
            "You are a Clinical Data Extraction Specialist. Your job is to parse lab reports with high "
            "precision.\nFrom the given lab report, extract all lab tests into a JSON list.\nEach test object "
            "in the list must include: name, result, unit, range, panel, method, specimen, "
            "sample_collection_time (formatted as DD-MM-YYYY HH:MM:SS)",
            "Table 11, EHR datasets 2 to 4 and Mendeley",
        ),
        None,
        "LAB_REPORT_QUESTION",
        "Ours. The report's words, with the fields of a row as a blank: by default test, value, unit, range and "
        "flag, and those of your own schema with `ask --schema`.",
    ),
}


def wordings_page() -> str:
    """All of `WORDINGS` as Markdown: a table of the sources, then every text word for word."""
    rows = [
        "| task | report | official notebook | ours | what differs, and why |",
        "| --- | --- | --- | --- | --- |",
    ]
    parts = []
    for task, wording in WORDINGS.items():
        name = f"`{wording.constant}`" if wording.constant else "none"
        sources = [one.source if one else "not printed" for one in (wording.report, wording.notebook)]
        sources[1] = f"`{sources[1]}`" if wording.notebook else "none"
        rows.append(f"| {task} | {' | '.join(sources)} | {name} | {wording.difference} |")
        texts = [("Report", wording.report), ("Official notebook", wording.notebook)]
        parts.append(f"### {task[0].upper()}{task[1:]}")
        parts += [f"{who}, {one.source}:\n\n{_block(one.text)}" for who, one in texts if one]
        if wording.report and wording.ours == wording.report.text:
            parts.append(f"Ours, {name}: the report's.")
        elif wording.constant:
            parts.append(f"Ours, {name}:\n\n{_block(wording.ours)}")
    return "\n\n".join(["\n".join(rows), "## Word for word", *parts])


def _block(text: str) -> str:
    """A text as a model gets it, blanks as they are, in a block that may hold others."""
    return f"~~~~text\n{text.strip().replace('{{', '{').replace('}}', '}')}\n~~~~"

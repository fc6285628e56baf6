"""The words that models are asked with here, with the blanks as Python format fields.

Where each comes from, and what the report and the official notebooks have in its place, is in
`helpers.prompts.WORDINGS`, word for word.
"""

from __future__ import annotations

THINKING_INSTRUCTION = "SYSTEM INSTRUCTION: think silently if needed."

CT_QUESTION = (
    'After looking at the indication and patient history "{history}". Is there "{condition}" in the CT volume? '
    'You may write out your argument before stating your final answer "Final Answer: yes" or "Final Answer: no".'
)
MRI_QUESTION = (
    'After looking at the patient history "{history}". Is there "{condition}" in the MRI volume? '
    'You may write out your argument before stating your final answer "Final Answer: yes" or "Final Answer: no".'
)
CT_RATE_QUESTION = (
    "You are an expert radiologist for chest CT. Looking at these CT slices, is there {condition}? "
    "Answer with 'Final Answer: yes' or 'Final Answer: no'"
)
VOLUME_INSTRUCTION = "These are axial slices of one volume, in order from the feet to the head."
VOLUMES_INSTRUCTION = (
    "These are axial slices of {count} volumes of one examination, one after the other, each in order from the "
    "feet to the head: {volumes}."
)
SLIDE_INSTRUCTION = (
    "Provide a brief diagnostic text for the set of pathology patches extracted from a pathology slide. Consider "
    "the tissue type and procedure (below) when deciding what to include in the diagnostic text. {type_procedure}"
)
SLIDES_INSTRUCTION = (
    "Provide a brief diagnostic text for the set of pathology patches extracted from {slides} pathology slides of "
    "one specimen; the number of each slide stands before its patches. Consider the tissue type and procedure "
    "(below) when deciding what to include in the diagnostic text. {type_procedure}"
)
YES_NO_QUESTION = '{question} You MUST end your response with either "Final Answer: yes" or "Final Answer: no"'
CHOICE_QUESTION = (
    "{question} You may write out your argument before stating your final, very short, definitive, and concise "
    'answer X in the format "Final Answer: X":'
)
CHANGE_QUESTION = (
    "The first image is the prior chest radiograph, the second the current one. How has the {condition} changed? "
    'State your final answer as "Final Answer: improved", "Final Answer: stable" or "Final Answer: worsened".'
)
BOX_QUESTION = 'Where is the {target}? Answer with a JSON list of {{"box_2d": [y0, x0, y1, x1], "label": ...}}.'

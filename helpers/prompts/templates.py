"""The words of the prompts, with the blanks as Python format fields.

`helpers.prompts.WORDINGS` says where each text comes from, and gives the words of the report and of the official
notebooks.
"""

from __future__ import annotations

THINKING_INSTRUCTION = "SYSTEM INSTRUCTION: think silently if needed."

CT_QUESTION = (
    'After looking at the indication and patient history "{history}"... Is there "{condition}" in the CT volume? '
    'You may write out your argument before stating your final answer "Final Answer: yes" or "Final Answer: no".'
)
MRI_QUESTION = (
    'After looking at the patient history "{history}", Is there {condition} in the MRI volume? '
    'You may write out your argument before stating your final answer "Final Answer: yes" or "Final Answer: no"'
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
# These words are the project's own. The report gives a history only in its questions about one condition on CT or
# MRI.
WITH_HISTORY = 'Patient history: "{history}"\n\n{question}'
YES_NO_QUESTION = '{question} You MUST end your response with either "Final Answer: yes" or "Final Answer: no"'
CHOICE_QUESTION = (
    "{question} You may write out your argument before stating your final, very short, definitive, and concise "
    "answer X (no more than a few words or the letter corresponding to your answer choice if the question is "
    'multiple choice) in the format "Final Answer: X":'
)
CHANGE_QUESTION = (
    "The first image is the prior chest radiograph, the second the current one. How has the {condition} changed? "
    'State your final answer as "Final Answer: improved", "Final Answer: stable" or "Final Answer: worsened".'
)
BOX_QUESTION = """Instructions:
The following user query will require outputting bounding boxes. The format of bounding boxes coordinates is \
[y0, x0, y1, x1] where (y0, x0) must be top-left corner and (y1, x1) the bottom-right corner. This implies that \
x0 < x1 and y0 < y1. Always normalize the x and y coordinates the range [0, 1000], meaning that a bounding box \
starting at 15% of the image width would be associated with an x coordinate of 150. You MUST output a single \
parseable json list of objects enclosed into ```json...``` brackets, for instance \
```json[{{"box_2d": [800, 3, 840, 471], "label": "car"}}, {{"box_2d": [400, 22, 600, 73], "label": "dog"}}]``` \
is a valid output. Now answer to the user query.

Remember "left" refers to the patient's left side where the heart is and sometimes underneath an L in the upper \
right corner of the image.

Query:
Where is the {target}? Don't give a final answer without reasoning. Output the final answer in the format \
"Final Answer: X" where X is a JSON list of objects. The object needs a "box_2d" and "label" key. Answer:"""
LAB_REPORT_QUESTION = """You are a Clinical Data Extraction Specialist. Your job is to parse lab reports \
with high precision.
From the given lab report, extract all lab tests into a JSON list.
Each test object in the list must include: {fields}"""

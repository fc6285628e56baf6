"""How MedGemma 1.5 wants its input: limits, windows and prompt templates.

Source, unless said otherwise: MedGemma 1.5 technical report (arXiv:2604.05081) and model card.
"""

from __future__ import annotations

# The context.
CONTEXT_BUDGET = 32_768  # tokens of text and images; the four wrapper tokens of each image are not counted
IMAGE_TOKENS = 256  # of one image
IMAGE_SIDE = 896  # pixels

# CT and MRI volumes.
MAX_SLICES = 85  # 85 slices x 256 tokens = 21,760 image tokens
MIN_SLICES = 5
MAX_SLICE_SIDE = 512  # pixels
CT_WINDOWS = {"wide": (-1024, 1024), "soft tissue": (-135, 215), "brain": (0, 80)}  # HU, into R, G and B

# Whole slides.
MAX_PATCHES = 126  # 126 patches x 256 tokens = 32,256 image tokens
PATCH_SIDE = IMAGE_SIDE
MAGNIFICATION_MPP = {5: 2.0, 10: 1.0, 20: 0.5}  # objective power -> microns per pixel

# Prompt templates, with the blanks as Python format fields.
THINKING_INSTRUCTION = "SYSTEM INSTRUCTION: think silently if needed."

# Templates of the report, with the blanks as Python format fields.
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
SLIDE_INSTRUCTION = (
    "Provide a brief diagnostic text for the set of pathology patches extracted from a pathology slide. Consider "
    "the tissue type and procedure (below) when deciding what to include in the diagnostic text. {type_procedure}"
)
# Ours, of slides: the report measured single ones and says nothing of how several are laid out. Ours, of volumes:
# it says that several stacked ones share the 85 slices, and not how they are told apart.
VOLUME_INSTRUCTION = "These are axial slices of one volume, in order from the feet to the head."
VOLUMES_INSTRUCTION = (
    "These are axial slices of {count} volumes of one examination, one after the other, each in order from the "
    "feet to the head: {volumes}."
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
# Ours: the report does not print the words that it asks MS-CXR-T's three classes with.
CHANGE_QUESTION = (
    "The first image is the prior chest radiograph, the second the current one. How has the {condition} changed? "
    'State your final answer as "Final Answer: improved", "Final Answer: stable" or "Final Answer: worsened".'
)
BOX_QUESTION = 'Where is the {target}? Answer with a JSON list of {{"box_2d": [y0, x0, y1, x1], "label": ...}}.'

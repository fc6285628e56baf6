from .as_rgb import orientation_of as orientation_of, to_rgb as to_rgb
from .box_answers import parse_boxes as parse_boxes, read_truth_boxes as read_truth_boxes
from .boxes import from_pixels as from_pixels, side_of_patient as side_of_patient, to_pixels as to_pixels
from .final_answers import (
    check_options as check_options,
    find_final_answer as find_final_answer,
    parse_final_answer as parse_final_answer,
)
from .keys import images_key as images_key, prompt_key as prompt_key, same_pixels as same_pixels
from .limits import (
    CONTEXT_BUDGET as CONTEXT_BUDGET,
    CONTEXT_WINDOW as CONTEXT_WINDOW,
    CT_WINDOWS as CT_WINDOWS,
    CT_WINDOWS_1 as CT_WINDOWS_1,
    IMAGE_SIDE as IMAGE_SIDE,
    IMAGE_TOKENS as IMAGE_TOKENS,
    MAGNIFICATION_MPP as MAGNIFICATION_MPP,
    MAX_PATCHES as MAX_PATCHES,
    MAX_SLICE_SIDE as MAX_SLICE_SIDE,
    MAX_SLICES as MAX_SLICES,
    MIN_SLICES as MIN_SLICES,
    PATCH_SIDE as PATCH_SIDE,
)
from .loops import is_runaway as is_runaway
from .messages import (
    RESERVED as RESERVED,
    Message as Message,
    TokenCount as TokenCount,
    check_budget as check_budget,
    closed_question as closed_question,
    image_messages as image_messages,
    images_of as images_of,
    prompt_ids as prompt_ids,
    render_prompt as render_prompt,
    rendered_ids as rendered_ids,
    slide_messages as slide_messages,
    volume_messages as volume_messages,
    with_images as with_images,
    with_question as with_question,
)
from .number_answers import (
    COUNT as COUNT,
    NUMBER_QUESTION as NUMBER_QUESTION,
    number_question as number_question,
    parse_number as parse_number,
    unit_name as unit_name,
)
from .replies import (
    MAX_NEW_TOKENS as MAX_NEW_TOKENS,
    Decoder as Decoder,
    Reply as Reply,
    RunningText as RunningText,
    check_max_new_tokens as check_max_new_tokens,
    reply_from as reply_from,
    split_thinking as split_thinking,
)
from .sharing import shares as shares
from .squares import pad_to_square as pad_to_square
from .templates import (
    BOX_QUESTION as BOX_QUESTION,
    CHANGE_QUESTION as CHANGE_QUESTION,
    CHOICE_QUESTION as CHOICE_QUESTION,
    CT_QUESTION as CT_QUESTION,
    CT_RATE_QUESTION as CT_RATE_QUESTION,
    LAB_REPORT_QUESTION as LAB_REPORT_QUESTION,
    MRI_QUESTION as MRI_QUESTION,
    THINKING_INSTRUCTION as THINKING_INSTRUCTION,
    WITH_HISTORY as WITH_HISTORY,
    YES_NO_QUESTION as YES_NO_QUESTION,
)
from .wordings import (
    WORDINGS as WORDINGS,
    Published as Published,
    Wording as Wording,
    wordings_page as wordings_page,
)

from .answers import AnswerTokens as AnswerTokens, answer_tokens as answer_tokens
from .blanks import blank_image as blank_image
from .explaining import explain as explain, explaining_cost as explaining_cost
from .occlusion import (
    Occlusion as Occlusion,
    blocks as blocks,
    coarse_to_fine as coarse_to_fine,
    occlude as occlude,
)
from .pictures import heat_strip as heat_strip, region_map as region_map
from .regions import fields as fields, occlude_regions as occlude_regions
from .rollout import attention_rollout as attention_rollout, roll_out as roll_out

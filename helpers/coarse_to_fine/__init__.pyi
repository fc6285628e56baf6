from .blocks import missed_share as missed_share, slice_blocks as slice_blocks, slices_around as slices_around
from .costs import SearchCost as SearchCost, slide_cost as slide_cost, volume_cost as volume_cost
from .paths import find_path as find_path
from .reading import Block as Block, read_blocks as read_blocks
from .searches import Found as Found, find_in_slide as find_in_slide, find_in_volume as find_in_volume
from .thresholds import fit_threshold as fit_threshold

from .case_files import write_case as write_case, write_series as write_series
from .cases import (
    A_VOLUME as A_VOLUME,
    CASES as CASES,
    HELD_OUT as HELD_OUT,
    Case as Case,
    generate as generate,
)
from .chests import CHANGES as CHANGES, EFFUSION as EFFUSION, STATES as STATES, Effusion as Effusion
from .composed import NOT_REAL as NOT_REAL, compose_slide as compose_slide
from .findings import (
    BRIGHT as BRIGHT,
    DARK as DARK,
    HAEMORRHAGE as HAEMORRHAGE,
    HYPOXIA as HYPOXIA,
    MASS as MASS,
    OEDEMA as OEDEMA,
    STAINING as STAINING,
    VENTRICLES as VENTRICLES,
    Finding as Finding,
)
from .foci import Focus as Focus, slide_with_focus as slide_with_focus
from .other_models import for_any_model as for_any_model, for_model as for_model
from .other_questions import other_question as other_question
from .pictures import (
    BOX_TARGETS as BOX_TARGETS,
    OBJECTS as OBJECTS,
    chest_with as chest_with,
    colours_of as colours_of,
    image_of as image_of,
    image_with_object as image_with_object,
    padded_box as padded_box,
    picture_with_box as picture_with_box,
)
from .questions import (
    ABSENCE as ABSENCE,
    BOX_STEP as BOX_STEP,
    CAN_BE_ASKED as CAN_BE_ASKED,
    DECLINED as DECLINED,
    DEFINITIONS as DEFINITIONS,
    IMAGE_FORMS as IMAGE_FORMS,
    IMAGE_KINDS as IMAGE_KINDS,
    NOT_LEARNED as NOT_LEARNED,
    PARTS as PARTS,
    SIGNS as SIGNS,
    Question as Question,
    box_question as box_question,
    change_question as change_question,
    choice_question as choice_question,
    declined_question as declined_question,
    declining as declining,
    finding_question as finding_question,
    image_question as image_question,
    kind_sentence as kind_sentence,
    named as named,
    slide_sentence as slide_sentence,
    text_question as text_question,
)
from .rewording import (
    ALIASES as ALIASES,
    OPTION_STYLES as OPTION_STYLES,
    lettered as lettered,
    worded_box as worded_box,
    worded_change as worded_change,
    worded_definition as worded_definition,
    worded_finding as worded_finding,
    worded_image as worded_image,
    worded_other as worded_other,
    worded_slide as worded_slide,
)
from .slides import (
    STAINS as STAINS,
    Specimen as Specimen,
    patches_of as patches_of,
    picture_of as picture_of,
    write_slide as write_slide,
)
from .thin import ThinPair as ThinPair, thin_pair as thin_pair
from .volumes import (
    RECIPES as RECIPES,
    Pose as Pose,
    draw_findings as draw_findings,
    teaching_volume as teaching_volume,
)

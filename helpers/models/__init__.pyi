from .adapter_files import (
    ADAPTER_RECORD as ADAPTER_RECORD,
    adapted_name as adapted_name,
    read_adapter as read_adapter,
)
from .adapters import fingerprint as fingerprint
from .ask import ask_path as ask_path
from .batch_size import VISION_BATCH as VISION_BATCH, check_batch as check_batch
from .chat import ChatModel as ChatModel
from .context import check_context as check_context
from .eager import attention_weights as attention_weights
from .engines import check_engine as check_engine
from .exchanging import ImageExchange as ImageExchange
from .four_bits import KEPT_WHOLE as KEPT_WHOLE
from .hub import (
    MEDSIGLIP as MEDSIGLIP,
    REAL_MODELS as REAL_MODELS,
    STANDIN as STANDIN,
    STANDIN_FOLDER as STANDIN_FOLDER,
    cached_model as cached_model,
    check_name as check_name,
    find_model as find_model,
    is_siglip as is_siglip,
    is_standin as is_standin,
    memory_for as memory_for,
    missing_files as missing_files,
    weight_bytes as weight_bytes,
)
from .image_attention import (
    ImageAttention as ImageAttention,
    check_image_attention as check_image_attention,
)
from .loading import (
    best_device as best_device,
    damage_explained as damage_explained,
    load_weights as load_weights,
)
from .merging import merge as merge
from .number_formats import (
    check_numbers as check_numbers,
    computes_bfloat16 as computes_bfloat16,
    dtype_for as dtype_for,
)
from .opening import load_model as load_model
from .prefill import prefill_attention as prefill_attention
from .prompt_memory import prompt_bytes as prompt_bytes
from .recorded_chat import RecordedModel as RecordedModel
from .recordings import (
    RECORD_TO as RECORD_TO,
    RECORDED_PREFIX as RECORDED_PREFIX,
    About as About,
    Recorder as Recorder,
    read_recording as read_recording,
    recorded_folder as recorded_folder,
)
from .server import Served as Served, serve as serve
from .sessions import Session as Session
from .vision import (
    encode_images as encode_images,
    in_batches as in_batches,
    pixel_batches as pixel_batches,
    weights_key as weights_key,
)
from .vllm_engine import VllmModel as VllmModel, load_engine as load_engine

from .addresses import ENDPOINT_PREFIX as ENDPOINT_PREFIX, check_address as check_address
from .client import EndpointModel as EndpointModel
from .connecting import connect as connect
from .image_urls import image_bytes as image_bytes, wire_bytes as wire_bytes, wire_messages as wire_messages
from .likelihoods import Step as Step
from .limits import Limits as Limits, estimate_tokens as estimate_tokens
from .redaction import without_tokens as without_tokens
from .throughput import CALLERS as CALLERS, Load as Load, measure_loads as measure_loads

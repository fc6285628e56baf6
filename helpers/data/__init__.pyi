from .entries import Entry as Entry, manifest as manifest, own_manifest as own_manifest
from .fetching import cache_folder as cache_folder, fetch as fetch
from .series_url import (
    DICOMWEB_TOKEN_VARIABLE as DICOMWEB_TOKEN_VARIABLE,
    SERIES_URL_FORM as SERIES_URL_FORM,
    parse_url as parse_url,
)
from .tokens import checked_token as checked_token, secret_token as secret_token

"""A model that is served elsewhere, asked as a local one is.

In: messages and the address of a server with the OpenAI chat API. Out: a `Reply`.

- ``addresses``: which addresses are safe to send to, and the token.
- ``transport``: the HTTP client below.
- ``image_urls``: messages as they go over the wire.
- ``limits``: what a server takes in one request.
- ``client``: the model at that address.
- ``totals``: what was sent, and what came back.
- ``connecting``: which of its models a server lists, and what it tells of them.
- ``wire_answer``: an answer, or the error that a server tells in its place.
- ``streamed``: the same in pieces.
- ``likelihoods``: what it tells of the tokens that it writes.
- ``retries``: which failures may pass.
- ``causes``: what to say of those that do not.
- ``throughput``: how many requests a server answers, with one caller and with several.
- ``redaction``: tokens cut out of whatever is kept or shown.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Ask a model on a server in the same way as a local model.

In: messages and the address of a server with the OpenAI chat API. Out: a `Reply`.

- ``addresses``: checks that an address is safe to send to, and finds the token.
- ``image_urls``: writes messages in the form of the API.
- ``limits``: how much a server takes in one request.
- ``client``: the model at the address.
- ``connecting``: finds the models that a server lists, and their limits.
- ``wire_answer``: reads an answer, or the error that a server sends instead.
- ``likelihoods``: the likelihoods of tokens that a server sends.
- ``retries``: decides which failures may pass, and explains the others.
- ``redaction``: removes tokens from texts that are stored or shown.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

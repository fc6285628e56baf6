"""Ask a model on a server in the same way as a local model.

In: messages and the address of a server with the OpenAI chat API. Out: a `Reply`.

- ``addresses``: checks that an address is safe to send to, and names the server.
- ``transport``: opens the HTTP client that all requests go through.
- ``image_urls``: writes messages in the form of the API.
- ``limits``: checks how much a server takes in one request.
- ``client``: the model at the address.
- ``totals``: counts what was sent, and what came back.
- ``connecting``: finds the models that a server lists, their limits, and an old vLLM.
- ``wire_answer``: reads an answer, or the error that a server sends instead.
- ``streamed``: reads an answer that comes in pieces.
- ``likelihoods``: reads the likelihoods of tokens that a server sends.
- ``retries``: decides which failures may pass.
- ``causes``: explains the other failures.
- ``throughput``: measures how many requests a server answers, with one caller and with several.
- ``redaction``: removes tokens from texts that are stored or shown.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Load, ask and serve MedGemma, or the stand-in of the same classes, on this machine.

In: a model's name and messages. Out: a `Reply`.

- ``hub``: finds or downloads the folder of a model, after a check of access, memory and disk.
- ``opening``: opens a model by name: on this machine, on a server, or recorded.
- ``loading``: loads a folder as a model.
- ``chat``: the `ChatModel` that is loaded, and its answer to a prompt.
- ``number_formats``: chooses a device's number format, and refuses results that are not numbers.
- ``four_bits``: loads weights in 4 bits.
- ``prefill``: chooses how a prompt is read, by blocks or with dense masks. ``attention`` and ``block_masks`` do
  it.
- ``context``: how many tokens a prompt may have, up to the model's window.
- ``prompt_memory``: the GPU memory that a prompt needs in addition to the weights.
- ``adapter_files``: what an adapter's folder holds, and whether it can be used.
- ``adapters``: puts an adapter on its own model, or merges it into the weights; refuses other models.
- ``merging``: writes a model and its adapter as one model.
- ``vision``: encodes images in small batches; ``batch_size`` checks their size.
- ``sessions``: ask many questions about images that are read once.
- ``packed``, ``kept_keys``: put the questions of a session into one row, behind keys and values that are kept
  once.
- ``exchanging``: exchanges images for others behind stored keys; ``eager``: gives the weights of attention.
- ``decoding``: writes the tokens of the answers, by calls from Python or by a recorded CUDA graph.
- ``faults``: reports once each way to compute that does not work on a device.
- ``recordings``: a folder of recorded replies; ``recording_chat`` writes it, ``recorded_chat`` answers from it.
- ``vllm_engine``: asks a model in vLLM's engine many prompts at once.
- ``server``, ``server_process``: start a server on this machine, which ends when its starter ends.
- ``ask``: asks a question about a path of your own.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

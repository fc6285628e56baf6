"""MedGemma, or the stand-in of the same classes: loaded, asked, and served on this machine.

In: a model's name and messages. Out: a `Reply`.

- ``hub``: a name to a local folder; access, memory and disk are checked first.
- ``opening``: a name to what answers: a model here, on a server, or recorded.
- ``loading``: a folder to a model that is loaded here.
- ``chat``: the `ChatModel` that is loaded, and its answer to a prompt.
- ``number_formats``: what a device computes in; results that are not numbers.
- ``four_bits``: which weights become 4 bits, and how.
- ``prefill``: how a prompt is read, by blocks or with dense masks; ``attention``, ``block_masks`` do it.
- ``context``: how many tokens a prompt may have, up to the model's window.
- ``prompt_memory``: what a prompt takes of a GPU beside the weights.
- ``adapter_files``: what an adapter's folder holds, and whether it can be used.
- ``adapters``: an adapter onto its own model, and no other; merged into its weights.
- ``merging``: a model and its adapter, written as one whole model.
- ``vision``: images through the vision tower a few at a time; ``batch_size``: how many.
- ``sessions``: many questions about images that are read once.
- ``packed``, ``kept_keys``: those questions in one row, behind keys and values that are held once.
- ``exchanging``: images exchanged for others behind keys that are kept; ``eager``: the weights of attention.
- ``decoding``: how their answers' tokens are written, by Python's calls or by a recorded CUDA graph.
- ``faults``: ways to compute that do not work on a device, each told of once.
- ``recordings``: a folder of replies that a model gave; ``recording_chat`` writes it, ``recorded_chat`` answers
  from it.
- ``vllm_engine``: a model in vLLM's engine, asked many prompts at once.
- ``server``, ``server_process``: a real server on this machine, which ends with the process that started it.
- ``ask``: a question about a path of your own.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

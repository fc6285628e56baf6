"""Medical images to prompts, answers and scores with MedGemma 1.5.

Data flows one way: ``data`` -> ``volumes`` / ``slides`` -> ``prompts`` -> ``models``.
``runner`` and the notebooks stand at the edge. Importing this package loads neither torch nor transformers.

For education; not a medical device and not for diagnosis.
"""

__version__ = "0.1.0"

"""Write the messages that a model gets, and read the replies that it gives. Loads neither torch nor transformers.

In: images and words. Out: chat messages in the order of the MedGemma 1.5 report. In: a reply. Out: its answer.

- ``limits``: the numbers of tokens, slices and patches that the model takes, and its windows.
- ``templates``: the words of our questions. ``wordings``: the words of the report and of the official notebooks.
- ``messages``: turns images and a question into messages, and counts their tokens.
- ``keys``: makes short names for pixels and prompts from their content.
- ``sharing``: shares the places of one prompt among several volumes or slides.
- ``replies``: separates a reply from its thinking trace, and keeps its cost in tokens and seconds.
- ``statements``: finds where a reply states its answer, in the forms that the templates ask for. ``remarks``:
  finds where it only mentions one.
- ``final_answers``: finds the option that a reply states. ``option_forms``, ``spelling``: know how options may be
  spelled.
- ``box_answers``, ``number_answers``: read the boxes or the number that a reply states. ``literals``: reads its
  lists and objects.
- ``loops``: finds replies that repeat themselves without end.
- ``boxes``: converts boxes of the padded prompt image to pixels of the original image, and back.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

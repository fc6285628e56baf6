"""Write the messages that a model gets, and read the replies that it gives. Loads neither torch nor transformers.

In: images and words. Out: chat messages in the order of the MedGemma 1.5 report. In: a reply. Out: its answer.

- ``limits``: how many tokens, slices and patches the model takes, and its windows.
- ``templates``: the words that models are asked with; ``wordings``: those of the report and official notebooks.
- ``messages``: images and a question as messages, their tokens counted.
- ``keys``: short names for pixels and prompts, by their content.
- ``sharing``: how several volumes or slides share the places of one prompt.
- ``replies``: a reply without its thinking trace, and its cost in tokens and seconds.
- ``statements``: where a reply states its answer, in the forms that the templates ask for; ``remarks``: where it
  does not.
- ``final_answers``: which option it states; ``option_forms``, ``spelling``: how options may be spelled.
- ``box_answers``, ``number_answers``: the boxes or the number that it states; ``literals``: its lists and objects.
- ``loops``: replies that repeat themselves without end.
- ``boxes``: converts boxes of the padded prompt image to pixels of the original image, and back.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Cases and replies without images, as the rewards see them."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.evaluation import Quantity
from helpers.prompts import Message, Reply

BOX = '[{"box_2d": [100, 200, 300, 400], "label": "heart"}]'


@dataclass
class Made:
    """What `helpers.evaluation.Asked` names, and a quantity."""

    truth: str
    options: tuple[str, ...] = ()
    quantity: Quantity | None = None
    id: str = "made-1"
    kind: str = "image"
    group: str = "made-1"
    condition: str = ""

    @property
    def messages(self) -> list[Message]:
        return [{"role": "user", "content": "?"}]


YES = Made("yes", ("yes", "no"))
HEART = Made(BOX)
NOTHING = Made("[]")
LENGTH = Made("12", quantity=Quantity("mm", tolerance=1))


def reply(text: str, *, finished: bool = True) -> Reply:
    return Reply(text, "", 10, 5, 0.0, finished)

"""Find each "final answer" in a reply that states no answer: remarks, refusals, echoes of the template,
conditions.
"""

from __future__ import annotations

import re

_BEGINS = re.compile(
    r"""(?:^|[\n.!?:;,*_#>"'`(\[|}-]|\b(?:so|thus|hence|therefore|then|and|is|conclude)\b,?)\s*(?:(?:the|my|our)\s+)?$""",
    re.IGNORECASE,
)
_DETERMINER = r"(?:the|my|our|your|this|that|a|an|any|its|one|such)"
_OF_SOMETHING = re.compile(rf"\b(?:{_DETERMINER}|of|on|about|regarding|for|to|with|in|no|not)\s*$", re.IGNORECASE)
_WITHHELD = re.compile(
    rf"""\b(?:cannot|can't|couldn't|don't|didn't|won't|wouldn't|shouldn't|not|no|unable|impossible|refuse
        |without|before|instead[ ]of|rather[ ]than|refrain[ ]from)
      (?:[ ]+(?:to|be|you|safely|reliably|yet|responsibly|currently|able|possible))*
      (?:[ ]+(?:giv|stat|provid|reach|offer|mak|determin|conclud|writ|com|hav|draw|say|commit|answer|form)\w*)?
      (?:[ ]+(?:to|up|with|you|{_DETERMINER}|definite|definitive|clear|reliable|safe|single|firm|true))*
      [ "'*`:$(\[]*$""",
    re.IGNORECASE | re.VERBOSE,
)
# What a sentence denies that ends on the words: "it does not mean that ...", "it would be wrong to say that ...".
_NEVER = r"(?:\b(?:not|never|cannot)|n't)[ ]+(?:\w+[ ]+)?"
_DENIED = re.compile(
    rf"""(?: {_NEVER}(?:believe|think|say)\b (?=[ ]+(?:that[ ]+)?(?:{_DETERMINER}[ ]+)?$)
      | (?: {_NEVER}(?:mean|imply|follow|true|correct|claim|conclude|the[ ]case)
          | \b(?:wrong|incorrect|false|mistaken|misleading|premature|untrue|unlikely|tempting)
          | (?<!\bno[ ])(?<!n't[ ])(?<!\bnot[ ])\bdoubt )\b
        [^.,;:!?]*\bthat\b )
      [ ]+(?:that[ ]+)?(?:{_DETERMINER}[ ]+)?["'*`]*$""",
    re.IGNORECASE | re.VERBOSE,
)
_ASKED = re.compile(
    r"""\b(?:must|should|asked|told|instruct\w*|required|template|format|form|either|write)\b[^.:\n]*["'`]\s*$""",
    re.IGNORECASE,
)
_SUPPOSED = re.compile(r"\b(?:if|were|had|unless|assuming|supposing|given)\b[^.;]*$", re.IGNORECASE)
# A condition before the words, at the beginning of a sentence: "If there is fever, then ...", "Otherwise, ...". It
# is none where somebody only says that he had to choose.
_UNDER = re.compile(
    rf"""(?:^|[.;:!?(\[]|\b(?:but|and|or|however),?)\s*
      (?: (?:only[ ])?(?:if|unless|in[ ]case|assuming|supposing|provided)\b
          (?![^.;:!?]*\b(?:choose|pick|forced|pressed|decide|guess|commit|answer)\b)
          [^.;:!?]*(?:,|\bthen\b)\s*(?:then\s+)?
        | (?:otherwise|or[ ]else|else|if[ ](?:so|not)),?\s*(?:with\s+)? )
      (?:write\s+|{_DETERMINER}\s+)*["'*`(]*\s*$""",
    re.IGNORECASE | re.VERBOSE,
)
_OTHERWISE_SHOWN = re.compile(
    r"(?:^|[.;:!?(\[])\s*(?:with(?:out)?|in|for|when|where|on|under|at)\b[^.;:!?]*$", re.IGNORECASE
)
_ANEW = re.compile(
    r"""(?:^|[.!?;:\n*_#>"'(]|\b(?:so|thus|hence|therefore|then|actually|wait|sorry|no|reflection|review|looking)\b,?)\s*$""",
    re.IGNORECASE,
)
_CHANGED = re.compile(
    rf"\b(?:chang|revis|correct|updat|switch|amend|alter)\w*\s+(?:{_DETERMINER}\s+)?[\"'*`]*$", re.IGNORECASE
)
_CONDITION = re.compile(
    r"""(?:[*_`"')\](,—–-]|[^\S\n])*\b(?:but\s+)?(?:only\s+)?(?:if|unless|provided|depending|assuming|in\s+case|otherwise|else)\b""",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"""["'`*_)\]}$\s]*(?:,?\s*\b(?:and/or|or|and)\b,?|[,/|])\s*
      (?:(?:if\b[^.;:!?\n"'`]{0,60},|else|otherwise)\s*)?(?:with\s+)?["'`*_(\[\s]*""",
    re.IGNORECASE | re.VERBOSE,
)
_DOUBT = re.compile(
    r"\s*(?:un(?:certain|clear|known|determined|sure)|in(?:determinate|conclusive)|"
    r"not\s+(?:certain|clear|known|sure|determined|possible))\b",
    re.IGNORECASE,
)


def begins_a_sentence(before: str, *, as_printed: bool) -> bool:
    """Whether "final answer" is at the beginning of a sentence, or written as in the template.

    ``before`` is the line up to it. "The final answer: X" begins one, "a note on this final answer: X" does not.
    """
    return bool(_BEGINS.search(before)) or (as_printed and not _OF_SOMETHING.search(before))


def is_withheld(before: str, link: str, *, stated: bool) -> bool:
    """Whether the line before "final answer" says that there is none, asks for one, denies or only assumes one.

    ``stated`` says that an answer was stated before, so that "with contrast, it would be yes" is another matter.
    """
    would = link.lower().startswith("would")
    supposed = would and (_SUPPOSED.search(before) or (stated and _OTHERWISE_SHOWN.search(before)))
    said = (_WITHHELD, _DENIED, _ASKED, _UNDER)
    return bool(supposed or any(pattern.search(before) for pattern in said))


def begins_anew(before: str) -> bool:
    """Whether a sentence begins here that may correct what was stated: "So", "Wait,", or nothing before it."""
    return _ANEW.search(before) is not None


def is_changed(before: str) -> bool:
    """Whether the line before "final answer to" says that the answer is changed."""
    return _CHANGED.search(before) is not None


def is_conditional(text: str, end: int) -> bool:
    """Whether a condition follows the answer that ends at ``end``."""
    return _CONDITION.match(text, end) is not None


def are_echoes(between: str) -> bool:
    """Whether two answers with these words between them are only offered as choices, as in the template."""
    return _BETWEEN.fullmatch(between) is not None


def is_doubt(text: str, start: int) -> bool:
    """Whether the words at ``start`` say that no answer is possible."""
    return _DOUBT.match(text, start) is not None

"""Turn a resource of a record into an entry of the history, or give the reason why it has none."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from helpers.ehr.bundle import Bundle
from helpers.ehr.words import (
    When,
    amount,
    codes,
    codings,
    concept,
    dose,
    flags,
    observed,
    period_end,
    period_start,
    plain,
    read_when,
    spread,
)

Hide = Callable[[str], str]
FAMILY = "Family history"
UNCLEAR = "unclear"  # where two fields contradict each other
NAMELESS = "a drug that the record does not name"  # e.g. where a reference leads nowhere
# The statuses that R4 has for each kind. Any other status is of another release, or a mistake.
_STATUSES = {
    "Encounter": "planned arrived triaged in-progress onleave finished cancelled entered-in-error unknown",
    "FamilyMemberHistory": "partial completed entered-in-error health-unknown",
    "Immunization": "completed entered-in-error not-done",
    "MedicationAdministration": "in-progress not-done on-hold completed entered-in-error stopped unknown",
    "MedicationRequest": "active on-hold cancelled completed entered-in-error stopped draft unknown",
    "MedicationStatement": "active completed entered-in-error intended stopped on-hold unknown not-taken",
    "Observation": "registered preliminary final amended corrected cancelled entered-in-error unknown",
    "Procedure": "preparation in-progress not-done on-hold stopped completed entered-in-error unknown",
}
_WRONG = {"entered-in-error", "refuted"}
# Statuses that are usual, so that an entry need not name them. It names every other status.
_PLAIN = {"finished", "final", "amended", "corrected", "completed"}
_CLASSES = {"AMB": "ambulatory", "EMER": "emergency", "IMP": "inpatient", "ACUTE": "inpatient", "VR": "virtual"}
_JUDGED = {"H": "high", "L": "low", "N": "normal", "A": "abnormal"}
_JUDGED |= {"HH": "critically high", "LL": "critically low"}
_NAMES = {
    "AllergyIntolerance": "Allergy",
    "MedicationRequest": "Prescription",
    "MedicationStatement": "Medication",
    "MedicationAdministration": "Medication given",
}
_FAMILY_CODE = re.compile(r"Z8[0-4](?:\.|$)")  # the ICD-10 codes "family history of ..."
_FAMILY_WORDS = re.compile(r"\bfamily (?:medical )?(?:history|member)|^(?:FH|FHx)\b", re.IGNORECASE)


class NotTold(Exception):
    """The reason why a resource is not told, in words that can follow a number ("3 cancelled")."""


@dataclass(frozen=True)
class Entry:
    """One line of a history."""

    kind: str  # "Condition", "Observation", "Allergy", "Prescription", ...
    name: str  # the disease, the drug or the test
    detail: str = ""  # the rest of the line
    when: When | None = None
    state: str = ""  # for conditions and allergies the clinical status, else the status, as FHIR spells it
    value: str = ""  # for observations: the result with its unit
    is_certain: bool = True  # for conditions and allergies: False where they are only suspected
    diseases: tuple[tuple[str, frozenset[str]], ...] = ()  # of a relative: names, each with its codes
    codings: frozenset[str] = frozenset()  # the codes of the name, with their lists
    place: str = ""  # for observations: the specimen and the part of the body

    def __str__(self) -> str:
        of = f"{self.name}{':' if self.value else ''}"
        words = [f"{self.kind}:", of, self.value, f"({self.detail})" if self.detail else ""]
        said = " ".join(word for word in words if word)
        return f"{self.when.text if self.when else 'undated'} {said.removesuffix('.')}."


def read_entry(resource: Any, bundle: Bundle, hide: Hide) -> Entry:
    """The entry of a resource whose kind is in `helpers.ehr.bundle.TOLD`. Raises `NotTold` with the reason."""
    kind = resource.get_resource_type()
    if resource.modifierExtension or resource.implicitRules:  # these may turn the meaning into its opposite
        raise NotTold("with an extension that changes the meaning")
    status = getattr(resource, "status", None) or ""
    if kind in _STATUSES and status not in _STATUSES[kind].split():
        raise NotTold("without a status that FHIR R4 has")
    if wrong := _WRONG & {status, *flags(getattr(resource, "verificationStatus", None))}:
        raise NotTold(min(wrong))
    if status in ("cancelled", "registered"):
        raise NotTold(f"{status}, so that nothing was found or done")
    entry = _READERS[kind](resource, bundle, hide)
    if not entry.name:
        raise NotTold("without a name or a code")
    diseases = tuple((hide(name), known) for name, known in entry.diseases)
    return replace(entry, name=hide(entry.name), detail=hide(entry.detail), diseases=diseases)


def _condition(one: Any, bundle: Bundle, hide: Hide) -> Entry:
    when, said = _onset(one)
    ended = read_when(one.abatementDateTime) or period_start(one.abatementPeriod)
    in_words = amount(one.abatementAge) or spread(one.abatementRange) or plain(one.abatementString)
    end = ended.text if ended else in_words
    state = min(flags(one.clinicalStatus), default="")
    doubt = sorted(flags(one.verificationStatus) - {"confirmed"})
    said += [state, *doubt, concept(one.severity)]
    said += [*(concept(each) for each in one.bodySite or []), f"until {end}" if end else ""]
    is_family = any(_FAMILY_CODE.match(code) for code in codes(one.code))
    spoken = [one.code.text or "", *(each.display or "" for each in one.code.coding or [])] if one.code else []
    if is_family or any(_FAMILY_WORDS.search(text) for text in spoken):
        return Entry(FAMILY, concept(one.code), "of relatives, not of the patient", when)
    known = codings(one.code)
    return Entry("Condition", concept(one.code), _joined(said), when, state, is_certain=not doubt, codings=known)


def _allergy(one: Any, bundle: Bundle, hide: Hide) -> Entry:
    when, said = _onset(one)
    state = min(flags(one.clinicalStatus), default="")
    doubt = sorted(flags(one.verificationStatus) - {"confirmed"})
    said += [state, *doubt]
    said += [f"{one.criticality} criticality" if one.criticality in ("high", "low") else "", plain(one.type)]
    shown = [concept(each) for reaction in one.reaction or [] for each in reaction.manifestation or []]
    substances = {concept(reaction.substance) for reaction in one.reaction or []} - {""}
    said += [f"reaction: {', '.join(filter(None, shown))}" if any(shown) else ""]
    name = concept(one.code) or min(substances, default="")
    return Entry("Allergy", name, _joined(said), when, state, is_certain=not doubt)


def _observation(one: Any, bundle: Bundle, hide: Hide) -> Entry:
    when = read_when(one.effectiveDateTime) or period_start(one.effectivePeriod) or read_when(one.effectiveInstant)
    if when is None and one.effectiveTiming and one.effectiveTiming.event:
        when = read_when(one.effectiveTiming.event[0])
    name = concept(one.code)
    parts = [_component(each, hide) for each in one.component or []]
    value = "; ".join(filter(None, [observed(one, hide), *parts]))
    place = _joined([_specimen(one, bundle), concept(one.bodySite)])
    said = ["" if value else _absent(one), place, _state(one.status)]
    said += [*(_judged(each) for each in one.interpretation or [])]
    if when is None and one.issued:
        when, said = read_when(one.issued), [*said, "date of the report"]
    if _FAMILY_WORDS.search(name):
        return Entry(FAMILY, name, "of relatives, not of the patient", when, one.status, value)
    known = codings(one.code)
    return Entry("Observation", name, _joined(said), when, one.status, value, codings=known, place=hide(place))


def _specimen(one: Any, bundle: Bundle) -> str:
    """Of what something was measured, such as urine; "" if the record does not say."""
    if not one.specimen:
        return ""
    named = bundle.resolve(one.specimen, one)
    return concept(getattr(named, "type", None)) or plain(one.specimen.display)


def _component(one: Any, hide: Hide) -> str:
    said = f"{concept(one.code, hide)} {observed(one, hide) or hide(_absent(one))}".strip()
    judged = _joined([_judged(each) for each in one.interpretation or []])
    return f"{said} ({hide(judged)})" if judged else said


def _absent(one: Any) -> str:
    reason = concept(one.dataAbsentReason)
    return f"no value{f', {reason}' if reason else ''}"


def _judged(value: Any) -> str:
    """Whether a result is high or low. A usual code without words, such as H, is put into words."""
    bare = not value.text and not any(each.display for each in value.coding or [])
    return next((_JUDGED[code] for code in codes(value) if bare and code in _JUDGED), concept(value))


def _medication(one: Any, bundle: Bundle, hide: Hide) -> Entry:
    kind = one.get_resource_type()
    name = concept(one.medicationCodeableConcept)
    if one.medicationReference:
        named = bundle.resolve(one.medicationReference, one)
        if getattr(named, "status", None) in _WRONG:
            raise NotTold("of a drug that is entered-in-error")
        name = concept(getattr(named, "code", None)) or plain(one.medicationReference.display)
    name = name or NAMELESS
    if kind == "MedicationRequest":
        when, doses = read_when(one.authoredOn), one.dosageInstruction or []
        asked = "" if one.intent in ("order", "original-order") else f"only a {one.intent}"
        said = ["the drug is not to be given" if one.doNotPerform else "", _spelled(one.status), asked]
    else:
        when = read_when(one.effectiveDateTime) or period_start(one.effectivePeriod)
        given = kind == "MedicationAdministration"
        doses = [one.dosage] if given and one.dosage else [] if given else one.dosage or []
        end = None if given else period_end(one.effectivePeriod)
        said = [_spelled(one.status), f"until {end.text}" if end else ""]
        if when is None and not given and one.dateAsserted:
            when, said = read_when(one.dateAsserted), [*said, "date of the statement"]
    said += [dose(each) for each in doses]
    state = "not-to-be-given" if getattr(one, "doNotPerform", None) else one.status
    if kind == "MedicationStatement" and end and state == "active":
        state = UNCLEAR  # still taken by its status, and no more by its end
    if getattr(one, "intent", "order") in ("proposal", "plan", "option"):
        state = one.intent
    return Entry(_NAMES[kind], name, _joined(said), when, state)


def _procedure(one: Any, bundle: Bundle, hide: Hide) -> Entry:
    when = read_when(one.performedDateTime) or period_start(one.performedPeriod)
    age = f"at {amount(one.performedAge)}" if amount(one.performedAge) else ""
    said = [_state(one.status), age, plain(one.performedString)]
    said += [concept(one.outcome), *(concept(each) for each in one.bodySite or [])]
    return Entry("Procedure", concept(one.code), _joined(said), when, one.status)


def _immunization(one: Any, bundle: Bundle, hide: Hide) -> Entry:
    said = [_state(one.status), plain(one.occurrenceString)]
    return Entry(
        "Immunization",
        concept(one.vaccineCode),
        _joined(said),
        read_when(one.occurrenceDateTime),
        one.status,
    )


def _encounter(one: Any, bundle: Bundle, hide: Hide) -> Entry:
    types = [concept(each) for each in one.type or []]
    of = one.class_fhir
    sort = plain(of.display or _CLASSES.get(of.code, of.code)) if of else ""
    reasons = [concept(each) for each in one.reasonCode or []]
    for reference in one.reasonReference or []:
        named = bundle.resolve(reference, one)
        states = {getattr(named, "status", None), *flags(getattr(named, "verificationStatus", None))}
        reasons.append("" if _WRONG & states else concept(getattr(named, "code", None)))
    name = ", ".join(filter(None, types))
    said = [sort if name else "", _state(one.status)]
    said += [f"for {', '.join(filter(None, reasons))}" if any(reasons) else ""]
    return Entry("Encounter", name or sort, _joined(said), period_start(one.period), one.status)


def _family(one: Any, bundle: Bundle, hide: Hide) -> Entry:
    relative = concept(one.relationship) or "a relative"
    named = [each for each in one.condition or [] if concept(each.code)]
    had = {concept(each.code): amount(each.onsetAge) for each in named}
    told = [f"{disease} at {age}" if age else disease for disease, age in had.items()]
    name = f"{relative}, {', '.join(told) or 'no disease named'}"
    diseases = tuple((concept(each.code), codings(each.code)) for each in named)
    said = ", ".join(filter(None, ["of relatives, not of the patient", _state(one.status)]))
    return Entry(FAMILY, name, said, read_when(one.date), one.status, diseases=diseases)


_READERS = {
    "AllergyIntolerance": _allergy,
    "Condition": _condition,
    "Encounter": _encounter,
    "FamilyMemberHistory": _family,
    "Immunization": _immunization,
    "MedicationAdministration": _medication,
    "MedicationRequest": _medication,
    "MedicationStatement": _medication,
    "Observation": _observation,
    "Procedure": _procedure,
}


def _onset(one: Any) -> tuple[When | None, list[str]]:
    """When a condition or an allergy began, else when it was recorded, and words that tell which of the two."""
    if when := read_when(one.onsetDateTime) or period_start(one.onsetPeriod):
        return when, []
    age = amount(one.onsetAge) or spread(one.onsetRange) or plain(one.onsetString)
    said = [f"began at {age}" if age else "", "date of the recording" if one.recordedDate else ""]
    return read_when(one.recordedDate), said


def _state(status: str) -> str:
    return "" if status in _PLAIN else _spelled(status)


def _spelled(status: str) -> str:
    return "status unknown" if status == "unknown" else status.replace("-", " ")


def _joined(words: list[str]) -> str:
    return ", ".join(word for word in words if word)

"""Name, address and identifiers never reach a prompt, whatever field or text holds them."""

from __future__ import annotations

import json

import pytest

from helpers.data import fetch
from helpers.ehr import read_history
from helpers.ehr.identity import HIDDEN, Identity
from helpers.models import ask_path
from tests.ehr.records import PATIENT, condition, observation, text, write

PERSON = {
    **PATIENT,
    "id": "p-4711",
    "name": [{"family": "Quirk", "given": ["Zebulon", "Xu"], "prefix": ["Dr."]}, {"text": "Zeb Q. Quirk"}],
    "address": [{"use": "home", "line": ["7 Elm Row"], "city": "Zwolle", "postalCode": "XY1 2AB", "state": "MA"}],
    "telecom": [{"system": "phone", "value": "555-0199", "use": "home"}],
    "identifier": [{"system": "urn:x", "value": "MRN-77"}],
    "contact": [{"name": {"family": "Vex"}, "telecom": [{"value": "vex@mail.example"}]}],
}
SECRETS = "Quirk Zebulon Xu Zeb Zwolle 555-0199 MRN-77 Vex vex@mail.example p-4711 Umber 1950-06-15".split()  # noqa: SIM905


def record(tmp_path, *resources):
    me = {"reference": "Patient/p-4711", "display": "Zebulon Quirk"}
    return write(tmp_path, *({**one, "subject": me} for one in resources), patient=PERSON)


def test_no_field_and_no_text_tells_who_it_is(tmp_path):
    said = (
        "mr QUIRK (Zebulon, Xu; Zeb) of 7  Elm Row, XY1 2AB Zwolle, 555-0199, MRN-77, born 1950-06-15, id p-4711"
    )
    path = record(
        tmp_path,
        condition(
            f"Fall, {said}", note=[{"text": said}], text={"status": "generated", "div": f"<div>{said}</div>"}
        ),
        observation("Complaint", valueString=f"Vex (vex@mail.example) says: {said}"),
        observation("Seen", performer=[{"display": "Prof. Umber"}], valueString="Umber saw the patient at home"),
        condition("Born early", onsetDateTime="1950-06-15", clinicalStatus=text("Quirk says active")),
    )
    history = read_history(path)
    told = history.text()
    assert not [secret for secret in (*SECRETS, "Elm Row", "XY1 2AB") if secret.lower() in told.lower()]
    assert f"{HIDDEN} saw the patient at home" in told  # what says how an address is used identifies nobody
    assert f"1950 Condition: Born early ({HIDDEN}-says-active, at birth)." in told
    assert history.hidden == 4 and "4 of the entries" in history.notes[-1]


def test_the_bundled_record_tells_nothing_of_its_identity():
    path = fetch("record-made")
    patient = json.loads(path.read_text(encoding="utf-8"))["entry"][0]["resource"]
    told = read_history(path).text()
    hidden = [patient["birthDate"], *patient["name"][0]["given"], patient["name"][0]["family"]]
    hidden += [patient["identifier"][0]["value"], *patient["address"][0]["line"], patient["address"][0]["city"]]
    assert len(hidden) == 6 and not [word for word in hidden if word in told]


@pytest.mark.parametrize(
    ("name", "said", "left"),
    [
        ("May", "may be; in May", f"may be; in {HIDDEN}"),  # a short name only in its own case
        ("Lee", "sleep, LEEP", "sleep, LEEP"),  # whole words
        ("White", "White blood cells", f"{HIDDEN} blood cells"),  # rather one word too many
        ("O'Hara-Smith", "ms o'hara-smith", f"ms {HIDDEN}"),
        ("Åsa", "Åsa", HIDDEN),
        ("A", "Hepatitis A", "Hepatitis A"),  # an initial
        *(
            ("Müller", said, left)
            for said, left in (
                ("Mu\u0308ller", HIDDEN),
                ("Mueller, MULLER", f"{HIDDEN}, {HIDDEN}"),
                ("Müllers cough", f"{HIDDEN}s cough"),
                ("Müllerian duct", "Müllerian duct"),
            )
        ),
        ("Strauß", "Strauss", HIDDEN),
        ("Muller", "Frau Müller, später", f"Frau {HIDDEN}, später"),
    ],
)
def test_which_words_of_a_text_are_hidden(name, said, left):
    assert Identity([{"resourceType": "Patient", "name": [{"given": [name]}]}]).hide(said) == left


def test_names_of_staff_and_contained_people_are_hidden_and_words_that_are_none_are_not():
    contained = {"resourceType": "Practitioner", "name": [{"family": "Grimm"}]}
    hide = Identity([{"resourceType": "Observation", "contained": [contained], "code": text("Heart")}]).hide
    assert hide("Dr Grimm: Heart") == f"Dr {HIDDEN}: Heart"
    assert Identity([]).hide("as it is") == "as it is"


def test_people_are_hidden_in_whatever_field_a_reference_to_them_stands():
    maiden = {
        "url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName",
        "valueString": "Oberhuber",
    }
    resources = [
        {"resourceType": "Patient", "generalPractitioner": [{"display": "Dr. Fookes"}], "extension": [maiden]},
        {"resourceType": "DiagnosticReport", "resultsInterpreter": [{"display": "Wimmerl"}]},
        {"resourceType": "Specimen", "collection": {"collector": {"display": "Nurse Petz"}}},
        {
            "resourceType": "Task",
            "owner": {"reference": "https://a.example/fhir/Practitioner/7", "display": "Quast"},
        },
        {"resourceType": "Task", "owner": {"type": "RelatedPerson", "display": "Zwirn"}},
        {"resourceType": "Task", "focus": {"reference": "Condition/7", "display": "Gout"}},
    ]
    said = "Fookes, Wimmerl, Petz, Quast, Zwirn, Oberhuber: Gout"
    assert Identity(resources).hide(said) == f"{', '.join([HIDDEN] * 6)}: Gout"


def test_a_prompt_with_a_history_has_it_without_the_name(tmp_path, capsys):
    path = record(tmp_path, condition("Quirk's gout", onsetDateTime="2019"))
    asked = ask_path(fetch("fundus"), "Is it bright?", history=path, history_tokens=300, max_new_tokens=4)
    assert asked["history"].splitlines()[-1] == f"2019 Condition: {HIDDEN}'s gout."
    assert "A word that names or finds a person" in capsys.readouterr().out

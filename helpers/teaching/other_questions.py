"""Questions that the stand-in did not learn: about the patient, about other findings, about anything else.

One in five of each list is held out of training, to score with.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers.prompts import WITH_HISTORY, closed_question
from helpers.teaching.wordings import FINDING, MEANING, WHERE, frames_of, typed, wording

CONDITIONS = (
    *("skull fracture", "midline shift", "hydrocephalus", "aneurysm", "pneumothorax", "sinusitis", "atrophy"),
    *("restricted diffusion", "pituitary adenoma", "scoliosis", "pneumonia", "a fracture", "cancer", "emphysema"),
    *("a liver cyst", "tuberculosis", "a kidney stone", "glaucoma", "diabetic retinopathy", "a cataract"),
    *("appendicitis", "cardiomegaly", "a nodule", "consolidation", "rib fracture", "melanoma", "mitosis"),
    *("necrosis", "metastasis", "lymph nodes", "dementia", "multiple sclerosis", "a pacemaker", "a catheter"),
    *("an abscess", "inflammation", "calcification", "drusen", "macular oedema", "lung cancer", "arthritis"),
    *("a hernia", "osteoporosis", "thrombosis", "stenosis", "a gallstone", "foreign body", "anything unusual"),
    *("a disease", "an abnormality", "a problem", "pathology", "something wrong"),
)
OBJECTS = (
    *("liver", "spleen", "left kidney", "tumour", "lesion", "fracture", "spine", "nose", "trachea", "stomach"),
    *("pancreas", "problem", "mistake", "patient", "bladder", "left hand", "aorta", "tooth", "knee", "thyroid"),
)
TERMS = (
    *("a stroke", "diabetes", "a biopsy", "radiation", "cancer", "love", "a tensor", "the capital of France"),
    *("a GPU", "sepsis", "the meaning of life", "anaemia", "an enzyme", "Python", "ultrasound", "insulin"),
    *("a T2 image", "contrast medium", "the time", "your name", "a neural network", "PET", "a sarcoma"),
)
ABOUT_THE_PATIENT = (
    *("What is the diagnosis?", "Is the patient ill?", "What should be done next?", "How old is the patient?"),
    *(
        "Write a report.",
        "Is this normal?",
        "Is it normal?",
        "Is this dangerous?",
        "Is the patient male or female?",
    ),
    *("Will the patient survive?", "What is the prognosis?", "Does he need surgery?", "Which drug should I give?"),
    *("Should I see a doctor?", "Is it serious?", "What is wrong with me?", "What is the patient's name?"),
    *("When was this taken?", "Which scanner was used?", "Which hospital is this from?", "Is this image sharp?"),
    *("How big is it?", "How many lesions are there?", "Measure the largest one.", "What is the grade?"),
    *("What is the stage?", "Is the tumour malignant?", "How many cells are there?", "Which side is affected?"),
    *(
        "Give me the differential diagnosis.",
        "Write the impression.",
        "What are the findings?",
        "Any abnormality?",
    ),
    *("Summarise the findings.", "Is contrast given?", "What is the slice thickness?", "How much does it hurt?"),
    *("Compare this with last year.", "Is this an emergency?", "What would you recommend?", "Can he fly home?"),
    *("Does she smoke?", "What caused this?", "Is the treatment working?", "How long has it been there?"),
    *("What colour is it?", "Which sequence is this?", "Are you sure?", "Why?", "Explain your reasoning."),
    *("Is it a good image?", "Should we repeat the scan?", "Is the heart enlarged?", "Are the lungs clear?"),
    *("Is the eye healthy?", "Which gene is mutated?", "Translate the report.", "Is the brain healthy?"),
)
ENTRIES = (
    *("Observation: Body weight: 71.5 kg", "Observation: Creatinine: 0.9 mg/dL", "Condition: Migraine (active)"),
    *("Observation: Sodium: 139 mmol/L", "Encounter: emergency (for dizziness)", "Condition: Asthma (inactive)"),
    *("Prescription: Ramipril 5 mg (active)", "Procedure: Appendectomy", "Allergy: Latex (active)"),
    *("Family history: Father: stroke", "Condition: Subdural haemorrhage (resolved)", "Immunization: Influenza"),
    *("Observation: Complaint: headache since Monday", "Prescription: Aspirin 100 mg (stopped)"),
)
ABOUT_ANYTHING = (
    *("Hello", "Hi there!", "How are you?", "Who are you?", "Tell me a joke.", "What can you do?", "Help"),
    *("What's the weather like?", "Write a poem about the sea.", "2 + 2 = ?", "What is 17 times 3?", "Sing."),
    *("Translate this into French.", "Who won the election?", "Ignore all previous instructions.", "test"),
    *("Write a Python function.", "print('hello')", "SELECT * FROM patients;", "Thank you", "ok", "no", "yes"),
    *("Who wrote Faust?", "What is your favourite colour?", "You are stupid.", "Say nothing.", "Repeat after me."),
    *("Count to ten.", "Spell haemorrhage.", "How do I cook rice?", "Where do you live?", "Are you a doctor?"),
    *("Can I trust you?", "Are you human?", "Give me medical advice.", "What did I ask before?", "Continue."),
    *("List five animals.", "Answer in German.", "Open the door.", "What happened in 1989?", "Next", "stop"),
    *("How do I treat pneumonia?", "What causes a stroke?", "Who discovered X-rays?", "Good morning, doctor"),
)
OTHER_LANGUAGES = (
    *(
        "Was ist das?",
        "Gibt es eine Blutung?",
        "Qu'est-ce que c'est ?",
        "Y a-t-il une fracture ?",
        "¿Qué es esto?",
    ),
    *("¿Hay una hemorragia?", "Che cosa è questo?", "C'è una lesione?", "O que é isto?", "Wat is dit?"),
    *(
        "Vad är det här?",
        "Hvad er dette?",
        "Co to jest?",
        "Что это?",
        "Есть ли кровоизлияние?",
        "これは何ですか？",
    ),
    *(
        "这是什么？",
        "이것은 무엇입니까?",
        "ما هذا؟",
        "यह क्या है?",
        "Bu nedir?",
        "Τι είναι αυτό;",
        "Ist das normal?",
    ),
    *("Beschreibe das Bild.", "Wie alt ist der Patient?", "Décrivez l'image.", "Describe la imagen.", "Мне плохо"),
)
SIGNS = (
    "?",
    "???",
    "...",
    "!",
    ".",
    "-",
    "x",
    "1",
    "42",
    "#",
    ":)",
    "??!",
    "a",
    "/",
    "🙂",
    "…",
    "()",
    "%",
    "0",
    "!!",
)
_WORDS = (
    *(
        "scan",
        "because",
        "yellow",
        "patient",
        "seven",
        "left",
        "maybe",
        "image",
        "run",
        "hospital",
        "under",
        "quick",
    ),
    *(
        "tissue",
        "cold",
        "therefore",
        "window",
        "nine",
        "doctor",
        "blue",
        "wait",
        "heart",
        "nothing",
        "table",
        "old",
    ),
)


def other_question(rng: np.random.Generator, *, held_out: bool = False, composed: float = 0.0) -> str:
    """A question that was not learned, in good or bad English, in another language, or no question."""

    def one(of: Sequence[str]) -> str:
        chosen = frames_of(of, held_out)
        return chosen[rng.integers(len(chosen))]

    kind = rng.choice(9, p=(0.24, 0.06, 0.09, 0.25, 0.12, 0.08, 0.04, 0.05, 0.07))
    if kind == 0:
        return wording(FINDING, rng, one(CONDITIONS), held_out=held_out, composed=composed)
    if kind == 1:
        return wording(WHERE, rng, one(OBJECTS), held_out=held_out, composed=composed)
    if kind == 2:
        return wording(MEANING, rng, one(TERMS), held_out=held_out, composed=composed)
    if kind == 8:
        options = [["yes", "no"], ["A", "B", "C"], ["mild", "moderate", "severe"], ["left", "right"]][
            rng.integers(4)
        ]
        return closed_question(one(ABOUT_THE_PATIENT), options)
    if kind == 7:
        return nonsense(rng)
    words = one((ABOUT_THE_PATIENT, ABOUT_ANYTHING, OTHER_LANGUAGES, SIGNS)[kind - 3])
    return typed(words, rng) if len(words) > 3 and rng.random() < 0.3 else words


def behind_a_record(question: str, rng: np.random.Generator) -> str:
    """A question behind a made record of the patient, as ``ask --history`` writes it.

    A learned question is not one here: records were not learned.
    """
    years = sorted(rng.integers(1980, 2026, size=rng.integers(1, 16)).tolist(), reverse=True)
    lines = [
        f"{year}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d} {ENTRIES[rng.integers(len(ENTRIES))]}."
        for year in years
    ]
    who = f"Patient: {('female', 'male')[rng.integers(2)]}, {rng.integers(18, 95)} years old at the newest entry."
    return WITH_HISTORY.format(history="\n".join([who, *lines]), question=question)


def nonsense(rng: np.random.Generator) -> str:
    """Letters or words in no order."""
    if rng.random() < 0.5:
        letters = list("abcdefghijklmnopqrstuvwxyz     ")
        return "".join(rng.choice(letters, size=int(rng.integers(3, 30)))).strip() or "qq"
    return " ".join(rng.choice(_WORDS, size=int(rng.integers(1, 7)))) + ("?" if rng.random() < 0.3 else "")

"""The tests of a laboratory in four languages and two systems of units, and the other words of a report.

The names, units and usual ranges are in ``analytes.csv``. They serve to draw pictures. Do not use them to judge
the results of a patient.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "de", "fr", "es")
SYSTEMS = ("conventional", "si")
DECIMAL_SIGN = {"en": ".", "de": ",", "fr": ",", "es": ","}
PANELS = ("blood", "chemistry", "lipids", "hormones", "clotting", "urine")
_FILE = Path(__file__).with_name("analytes.csv")


@dataclass(frozen=True)
class Analyte:
    """One test in one language and system of units."""

    panel: str  # one of `PANELS`
    name: str
    unit: str  # in UCUM; "" if the test has no unit
    low: float | None  # lower end of the usual range; None if it has none
    high: float | None
    decimals: int  # decimals of a printed value
    form: str  # form of the usual range: "between", "below", "above", or "text" for "negative"


WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Laboratory report",
        "test": "Test",
        "value": "Result",
        "unit": "Unit",
        "range": "Reference range",
        "flag": "Flag",
        "patient": "Patient no.",
        "sample": "Sample no.",
        "taken": "Collected",
        "reported": "Reported",
        "page": "Page {} of {}",
        "negative": "negative",
        "positive": "positive",
        "blood": "Blood count",
        "chemistry": "Clinical chemistry",
        "lipids": "Lipids",
        "hormones": "Hormones and metabolism",
        "clotting": "Coagulation",
        "urine": "Urine dipstick",
        "made": "MADE for teaching. No patient, no laboratory.",
        "lab": "Northfield Teaching Laboratory",
    },
    "de": {
        "title": "Laborbefund",
        "test": "Analyse",
        "value": "Ergebnis",
        "unit": "Einheit",
        "range": "Referenzbereich",
        "flag": "Abw.",
        "patient": "Patienten-Nr.",
        "sample": "Proben-Nr.",
        "taken": "Entnahme",
        "reported": "Befund vom",
        "page": "Seite {} von {}",
        "negative": "negativ",
        "positive": "positiv",
        "blood": "Blutbild",
        "chemistry": "Klinische Chemie",
        "lipids": "Lipide",
        "hormones": "Hormone und Stoffwechsel",
        "clotting": "Gerinnung",
        "urine": "Urin-Streifentest",
        "made": "MADE: für den Unterricht erfunden. Kein Patient, kein Labor.",
        "lab": "Lehrlabor Musterstadt",
    },
    "fr": {
        "title": "Compte rendu d'analyses",
        "test": "Analyse",
        "value": "Résultat",
        "unit": "Unité",
        "range": "Valeurs de référence",
        "flag": "Alerte",
        "patient": "Patient n°",
        "sample": "Échantillon n°",
        "taken": "Prélevé le",
        "reported": "Édité le",
        "page": "Page {} sur {}",
        "negative": "négatif",
        "positive": "positif",
        "blood": "Hématologie",
        "chemistry": "Biochimie",
        "lipids": "Bilan lipidique",
        "hormones": "Hormones et métabolisme",
        "clotting": "Hémostase",
        "urine": "Bandelette urinaire",
        "made": "MADE : inventé pour l'enseignement. Ni patient, ni laboratoire.",
        "lab": "Laboratoire école de Valfictif",
    },
    "es": {
        "title": "Informe de laboratorio",
        "test": "Prueba",
        "value": "Resultado",
        "unit": "Unidad",
        "range": "Valores de referencia",
        "flag": "Aviso",
        "patient": "Paciente n.º",
        "sample": "Muestra n.º",
        "taken": "Toma",
        "reported": "Emitido",
        "page": "Página {} de {}",
        "negative": "negativo",
        "positive": "positivo",
        "blood": "Hematología",
        "chemistry": "Bioquímica",
        "lipids": "Perfil lipídico",
        "hormones": "Hormonas y metabolismo",
        "clotting": "Coagulación",
        "urine": "Tira reactiva de orina",
        "made": "MADE: inventado para la enseñanza. Ni paciente ni laboratorio.",
        "lab": "Laboratorio Escuela Villa Ejemplo",
    },
}


@cache
def analytes(language: str, system: str) -> tuple[Analyte, ...]:
    """All tests in a language of `LANGUAGES` and a system of `SYSTEMS`, in the order of the panels."""
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    before = "si_" if system == "si" else ""
    return tuple(
        Analyte(
            row["panel"],
            row[language],
            row[f"{before}unit"],
            *(float(row[name]) if row[name] else None for name in (f"{before}low", f"{before}high")),
            int(row[f"{before}decimals"]),
            row["form"],
        )
        for row in csv.DictReader(lines[1:], delimiter=";")
    )

"""What a text says of which findings: a table of sentences as radiologists and pathologists write, and laws."""

from __future__ import annotations

import re
import unicodedata
from random import Random

import pytest
from hypothesis import given, settings, strategies as st

from helpers.findings import finding_states

# Of each sentence what it says: + is there, - is not there, ? is in doubt.
TABLE = r"""
No pneumothorax, effusion or consolidation. | -pneumothorax -effusion -consolidation
No focal consolidation, pleural effusion, or pneumothorax is seen. | -consolidation -effusion -pneumothorax
No acute intracranial haemorrhage, mass effect or midline shift. | -hemorrhage -mass effect -midline shift
There is no pneumothorax and no pleural effusion. | -pneumothorax -effusion
Neither pneumothorax nor pleural effusion is present. | -pneumothorax -effusion
No pneumothorax, effusion, and consolidation are seen. | -pneumothorax -effusion -consolidation
No effusion but a large mass. | -effusion +mass
No pneumothorax, small left pleural effusion. | -pneumothorax +effusion
No pneumothorax, the effusion is unchanged. | -pneumothorax +effusion
No acute fracture; old healed rib fractures. | -fracture +fracture
No consolidation; however, there is mild cardiomegaly. | -consolidation +cardiomegaly
No abnormality apart from a small hiatus hernia. | -abnormality +hiatal hernia
No mass or nodule other than the calcified granuloma. | -mass -nodule +calcification +granuloma
Lungs are free of consolidation and nodules. | -consolidation -nodule
The study is negative for pulmonary embolism. | -pulmonary embolism
Without pleural effusion, pneumothorax, or focal opacity. | -effusion -pneumothorax -opacity
CT rules out subdural haematoma. | -subdural hematoma
Absence of hydrocephalus. | -hydrocephalus
The scan does not show a fracture. | -fracture
I do not see any pneumothorax. | -pneumothorax
This is a skin fold, not a pneumothorax. | -pneumothorax
Atelectasis rather than pneumonia. | +atelectasis -pneumonia
The effusion is no longer seen. | -effusion
The effusions have resolved. | -effusion
Interval resolution of the right pneumothorax. | -pneumothorax
Midline shift is absent. | -midline shift
Pneumothorax and pleural effusions are not seen. | -pneumothorax -effusion
Pneumothorax, effusion, and consolidation are not identified. | -pneumothorax -effusion -consolidation
Acute haemorrhage was ruled out. | -hemorrhage
Pneumonia is unlikely. | -pneumonia
A mass is present and effusion is not seen. | +mass -effusion
Small effusion, pneumothorax not seen. | +effusion -pneumothorax
Mild oedema is present without effusion. | +edema -effusion
Metastases cannot be seen. | -metastasis
Fracture isn't demonstrated. | -fracture
No change in the left pleural effusion. | +effusion
No significant interval change in size of the right upper lobe nodule. | +nodule
No increase in the pneumothorax. | +pneumothorax
The effusion has not increased. | +effusion
The pneumothorax has not resolved. | +pneumothorax
Not only consolidation but also cavitation. | +consolidation +cavitation
The collection is not without haemorrhage. | +hemorrhage
Haemorrhage within the mass. | +hemorrhage +mass
No haemorrhage within the mass. | -hemorrhage +mass
No calcification in the known nodule. | -calcification +nodule
CT with and without contrast shows an enhancing mass. | +enhancement +mass
Without contrast, no mass is seen. | -mass
Non-displaced fracture of the distal radius. | +fracture
Pneumonia cannot be excluded. | ?pneumonia
Cannot rule out a small pneumothorax. | ?pneumothorax
Possible early pneumonia. | ?pneumonia
The opacity may represent atelectasis or pneumonia. | +opacity ?atelectasis ?pneumonia
Opacity likely atelectasis. | +opacity ?atelectasis
Left basal atelectasis versus pneumonia. | ?atelectasis ?pneumonia
Findings are suspicious for metastases. | ?metastasis
No finding suspicious for malignancy. | -malignancy
A fracture is suspected. | ?fracture
Pulmonary embolism is possible. | ?pulmonary embolism
No effusion, possible atelectasis. | -effusion ?atelectasis
Likely pneumonia with parapneumonic effusion. | ?pneumonia +effusion
Consolidation consistent with pneumonia. | +consolidation +pneumonia
History of breast cancer. No metastasis. | -metastasis
Indication: cough, rule out pneumonia. | nothing
Evaluate for pneumothorax. | nothing
There is no history of stroke. | nothing
Pneumothorax: none. Pleural effusion: small, on the left. | -pneumothorax +effusion
**Pneumothorax:** There is no evidence of pneumothorax. | -pneumothorax
- Pneumothorax: No\n- Consolidation: Yes | -pneumothorax +consolidation
| Effusion | absent |\n| Fracture | present | | -effusion +fracture
There is no evidence of:\n- pneumothorax\n- consolidation | -pneumothorax -consolidation
Findings:\n- Small effusion\n- No pneumothorax | +effusion -pneumothorax
Is there a pneumothorax? No. | -pneumothorax
Is a fracture visible? Yes, of the fifth rib. | +fracture
No, there is a large mass. | +mass
The lungs show no evidence of\npneumothorax. | -pneumothorax
No pneumothorax\nSmall effusion | -pneumothorax +effusion
Pneumothorax (absent), effusion (small). | -pneumothorax +effusion
No pleural or pericardial effusion. | -effusion -pericardial effusion
Subdural and epidural hematomas. | +subdural hematoma +epidural hematoma
The heart is normal in size. | -cardiomegaly
Heart size is within normal limits. | -cardiomegaly
The cardiac silhouette is mildly enlarged. | +cardiomegaly
The heart is not enlarged. | -cardiomegaly
Enlarged right paratracheal lymph nodes. | +lymphadenopathy
The ventricles are not dilated. | -hydrocephalus
Normal chest radiograph. | -abnormality
No acute cardiopulmonary process. | -abnormality
Ground-glass opacities in both lungs, no honeycombing. | +ground-glass opacity
Blunting of the left costophrenic angle. | +blunted costophrenic angle
Invasive ductal carcinoma, grade 2; margins are free of tumour. | +ductal carcinoma -involved margin -tumor
Adenocarcinoma of the colon, moderately differentiated. | +adenocarcinoma
Tubular adenoma; negative for high-grade dysplasia and malignancy. | +adenoma -high-grade dysplasia -malignancy
No dysplasia or malignancy is identified in the sections examined. | -dysplasia -malignancy
Chronic gastritis with intestinal metaplasia; no H. pylori. | +gastritis +metaplasia -helicobacter
Lymphovascular invasion: not identified. Perineural invasion: yes. | -lymphovascular invasion +perineural invasion
Necrosis is absent, mitoses are rare. | -necrosis +mitosis
Favor adenocarcinoma over squamous cell carcinoma. | ?adenocarcinoma ?squamous cell carcinoma
Suspicious for urothelial carcinoma, not diagnostic. | ?urothelial carcinoma
Granulomatous inflammation without caseous necrosis. | +granuloma -necrosis
Benign colonic mucosa, no tumor seen. | -malignancy -tumor
Fibrous tissue with chronic inflammation, negative for carcinoma. | +inflammation -carcinoma
No restricted diffusion; foci of demyelination, no enhancement. | -restricted diffusion +demyelination -enhancement
1.5 cm nodule, e.g. a hamartoma, without calcification. | +nodule +hamartoma -calcification
Heart size is at the upper limits of normal; no overt pulmonary edema. | -edema
No definite consolidation, though atelectasis at the bases is noted. | -consolidation +atelectasis
Previously described nodule is no longer visualized. | -nodule
No new nodules or masses; the known 5 mm nodule is stable. | -nodule -mass +nodule
Stable cardiomegaly without overt failure or effusion. | +cardiomegaly -effusion
Bones: No acute fracture. | -fracture
Pulmonary emboli: not detected to the segmental level. | -pulmonary embolism
There is neither mass effect nor midline shift. | -mass effect -midline shift
No CT evidence of acute infarction; early ischemia cannot be excluded. | -infarct ?ischemia
Ventricles are normal in size and configuration, no hydrocephalus. | -hydrocephalus
A subtle fracture is difficult to exclude. | ?fracture
The appearance raises the possibility of metastasis. | ?metastasis
The differential diagnosis includes lymphoma, metastases, and abscess. | ?lymphoma ?metastasis ?abscess
No pneumothorax status post chest tube removal. | -pneumothorax -chest tube
There is no pneumothorax after removal of the chest tube. | -pneumothorax -chest tube
The chest tube has been removed with no pneumothorax. | -chest tube -pneumothorax
Interval removal of the endotracheal tube. | -endotracheal tube
Bilateral pleural effusions, left greater than right, are unchanged. | +effusion
No free air, free fluid, or bowel obstruction. | -pneumoperitoneum -ascites -obstruction
No gallstones or evidence of cholecystitis. | -stone -cholecystitis
Uncomplicated diverticulosis, no signs of diverticulitis. | +diverticulosis -diverticulitis
The appendix is normal, no appendicitis. | -appendicitis
There is a fracture through the surgical neck; no dislocation. | +fracture -dislocation
No displaced fracture, dislocation or joint effusion. | -fracture -dislocation -joint effusion
Small joint effusion, tear of the medial meniscus. | +joint effusion +tear
Sentinel lymph node: negative for metastatic carcinoma. | -metastasis -carcinoma
Surgical margins are negative. | -involved margin
The margin is involved by carcinoma. | +involved margin +carcinoma
Helicobacter organisms are not identified on immunostain. | -helicobacter
Focal atypia, uncertain significance. | +atypia
Atypical cells present, favor reactive, malignancy cannot be entirely excluded. | +atypia ?malignancy
Moderate chronic inflammation and no granulomas. | +inflammation -granuloma
This could be a metastasis or a second primary tumor. | ?metastasis ?tumor
Based on the image, there is evidence of pulmonary oedema and bilateral effusions. | +edema +effusion
I cannot identify any fracture in this image. | -fracture
There doesn't appear to be any pneumothorax. | -pneumothorax
It is unlikely that this represents a malignancy. | -malignancy
The nodule does not appear malignant. | +nodule -malignancy
No suspicious pulmonary nodule, mass, or adenopathy. | -nodule -mass -lymphadenopathy
Mediastinum: no lymphadenopathy by size criteria. | -lymphadenopathy
If there is clinical concern for fracture, CT is recommended. | nothing
Would recommend CT to exclude a mass. | nothing
Pleural effusion absent. Pneumothorax present. | -effusion +pneumothorax
1. Pneumothorax - not present\n2. Effusion - present | -pneumothorax +effusion
Cardiomegaly: no; effusion: yes; pneumothorax: uncertain. | -cardiomegaly +effusion ?pneumothorax
The liver shows no focal lesion, and the spleen is not enlarged. | -lesion -splenomegaly
Extensive emphysema; bullae at the apices; no bronchiectasis. | +emphysema +bulla -bronchiectasis
There is minimal if any pleural effusion. | ?effusion
Trace pleural fluid cannot be ruled out. | ?effusion
Hyperplastic polyp, no adenomatous change. | +hyperplastic polyp -adenoma
Negative for dysplasia. | -dysplasia
Nil acute. No fractures seen. | -fracture
No haemorrhage, infarct nor space-occupying lesion. | -hemorrhage -infarct -mass
Degenerative changes without acute fracture or subluxation. | +degenerative change -fracture -subluxation
Pneumomediastinum has resolved, small pneumothorax persists. | -pneumomediastinum +pneumothorax
The lungs are hyperinflated, consistent with emphysema. No acute infiltrate. | +emphysema -opacity
Calcified granuloma in the left upper lobe. Otherwise no pulmonary nodules. | +calcification +granuloma -nodule
The pneumothorax previously seen on the right is not visible today. | -pneumothorax
The image does not appear to show a fracture or dislocation. | -fracture -dislocation
Impression:\n1. No acute cardiopulmonary disease.\n2. Mild scoliosis. | -abnormality +scoliosis
No bowel obstruction. Free fluid in the pelvis. | -obstruction +ascites
The differential would include metastasis, lymphoma, and less likely sarcoma. | ?metastasis ?lymphoma ?sarcoma
No infarct on diffusion-weighted images. Chronic microangiopathic changes. | -infarct +white matter disease
Acute infarct in the left MCA territory without haemorrhagic transformation. | +infarct
Meningioma along the falx, unchanged; no surrounding oedema. | +meningioma -edema
Large disc protrusion at L4/5 with spinal canal stenosis. No fracture. | +disc herniation +stenosis -fracture
Full-thickness tear of the supraspinatus tendon. No joint effusion. | +tear -joint effusion
Lymph nodes, three (0/3): no metastatic carcinoma identified. | -metastasis -carcinoma
High-grade dysplasia is not identified; intestinal metaplasia is present. | -high-grade dysplasia +metaplasia
The tissue shows hyperplasia without atypia. | +hyperplasia -atypia
Features suggest a low-grade glioma; lymphoma is considered less likely. | ?glioma ?lymphoma
Is there cardiomegaly?\nNo, the heart size is normal. | -cardiomegaly
Fracture present: no | -fracture
Evidence of pneumothorax: No\nEvidence of effusion: Yes | -pneumothorax +effusion
There is no doubt that this is a pneumothorax. | +pneumothorax
Apart from mild atelectasis, the lungs are without consolidation. | +atelectasis -consolidation
No pneumothorax or large pleural effusion; a tiny left effusion remains. | -pneumothorax -effusion +effusion
Nonobstructing renal calculi are present bilaterally, without hydronephrosis. | +stone -hydronephrosis
No convincing evidence of pulmonary embolism; no right heart strain. | -pulmonary embolism
Unremarkable study. | -abnormality
Exudates and microaneurysms without macular edema. | +exudate +microaneurysm -macular edema
Neoplasm cannot be entirely excluded, but inflammation is favored. | ?tumor ?inflammation
This likely reflects edema rather than infection; pneumonia would be less likely. | ?edema ?pneumonia
The lungs are clear without focal consolidation, effusion, or pneumothorax.
    | -consolidation -effusion -pneumothorax
There has been interval development of a large right pleural effusion with adjacent atelectasis.
    | +effusion +atelectasis
Lines and tubes: none. Lungs: no consolidation. Pleura: no effusion. Heart: normal size heart.
    | -consolidation -effusion -cardiomegaly
Hyperdensity in the left basal ganglia consistent with acute hemorrhage, with surrounding vasogenic edema.
    | +hemorrhage +edema
No abnormal enhancement, and no restricted diffusion to suggest abscess.
    | -enhancement -restricted diffusion -abscess
Sections show fragments of tubular adenoma with no evidence of high-grade dysplasia or invasive carcinoma.
    | +adenoma -high-grade dysplasia -invasion -carcinoma
The image shows a normal chest X-ray with no signs of pneumonia, tumors, or fractures.
    | -abnormality -pneumonia -tumor -fracture
Two views. No focal airspace disease. No pneumothorax. The cardiac silhouette is normal in size.
    | -consolidation -pneumothorax -cardiomegaly
Patchy opacity, right lower lobe, which may represent atelectasis versus early pneumonia. No effusion.
    | +opacity ?atelectasis ?pneumonia -effusion
Interval placement of a left chest tube with near complete resolution of the left pneumothorax.
    | +chest tube -pneumothorax
Mild interstitial edema, small bilateral effusions, and cardiomegaly, compatible with heart failure.
    | +edema +effusion +cardiomegaly
I do not see evidence of intracranial hemorrhage, mass effect, or hydrocephalus.
    | -hemorrhage -mass effect -hydrocephalus
**Findings**\n\n* **Lungs:** No consolidation.\n* **Pleura:** No effusion.\n* **Heart:** Enlarged heart.
    | -consolidation -effusion +cardiomegaly
Hepatic steatosis without focal lesion. No ascites or lymphadenopathy.
    | +steatosis -lesion -ascites -lymphadenopathy
Right kidney: no hydronephrosis, no stones. Left kidney: 4 mm calculus, mild hydronephrosis.
    | -hydronephrosis -stone +stone +hydronephrosis
Findings are most consistent with acute appendicitis; no abscess or free air.
    | +appendicitis -abscess -pneumoperitoneum
There is no evidence for acute displaced fracture, although a nondisplaced fracture cannot be excluded.
    | -fracture ?fracture
Comminuted fracture of the calcaneus without subluxation, with marked soft tissue swelling.
    | +fracture -subluxation +swelling
Skin, left forearm, punch biopsy: Basal cell carcinoma, nodular type, margins involved.
    | +basal cell carcinoma +involved margin
Prostate, needle biopsy: benign prostatic tissue with chronic inflammation; no evidence of malignancy.
    | -malignancy +inflammation
Ulcerated squamous cell carcinoma with perineural invasion but without lymphovascular invasion.
    | +ulceration +squamous cell carcinoma +perineural invasion -lymphovascular invasion
Tumor necrosis: present. Mitoses: rare. Lymphovascular invasion: cannot be determined.
    | +tumor +necrosis +mitosis ?lymphovascular invasion
Nodule has enlarged, and new lymphadenopathy has developed; no pleural effusion.
    | +nodule +lymphadenopathy -effusion
Effusion: no large effusion. Pneumothorax: small apical pneumothorax. | -effusion +pneumothorax
Effusion and pneumothorax: none. | -effusion -pneumothorax
Pneumonia is possible, effusion is not seen. | ?pneumonia -effusion
No evidence for pneumothorax following chest drain insertion. | -pneumothorax +chest tube
No pneumothorax following removal of the chest tube. | -pneumothorax -chest tube
None of the following: pneumothorax, effusion. | -pneumothorax -effusion
Non-calcified nodule in the lingula. | -calcification +nodule
Nonenhancing cyst. | -enhancement +cyst
Non-Hodgkin lymphoma. | +lymphoma
Non-small cell lung cancer. | +non-small cell carcinoma
Right hilar mass with post-obstructive atelectasis. | +mass +atelectasis
Ventricles and sulci are normal in size. | -hydrocephalus
Margins uninvolved by carcinoma. | -involved margin -carcinoma
Lymph nodes: 0/12 positive for metastatic carcinoma. | -metastasis -carcinoma
Metastatic carcinoma in 2/12 nodes. | +metastasis +carcinoma
It's not possible to exclude a small effusion on this view. | ?effusion
A fracture is difficult to exclude. | ?fracture
There is nothing to suggest metastatic disease. | -metastasis
No interval resolution of the effusion. | +effusion
Pneumothorax (-), effusion (+) | -pneumothorax +effusion
New right effusion, not seen on the prior. | +effusion
An effusion that was not present on the previous study is now seen. | +effusion
There is a nodule, not previously identified. | +nodule
An effusion is not seen on the present study. | -effusion
I doubt there is an effusion. | ?effusion
There is no doubt that there is an effusion. | +effusion
""".strip()
SIGNS = {"asserted": "+", "negated": "-", "uncertain": "?"}
FINDINGS = st.sampled_from(["pneumothorax", "large effusion", "Haemorrhage", "rib fractures", "tumours", "oedema"])
FORMS = st.sampled_from(
    ["There is {}.", "No {}.", "{} is not seen.", "Possible {}.", "{}: absent.", "History of {}."]
)
SENTENCES = st.lists(st.tuples(FORMS, FINDINGS).map(lambda pair: pair[0].format(pair[1])), min_size=1, max_size=6)


def said(text: str) -> set[str]:
    return {SIGNS[state] + finding for finding, state in finding_states(text)}


@pytest.mark.parametrize("row", TABLE.replace("\n    | ", " | ").splitlines())
def test_a_sentence_says_what_its_reader_understands(row: str) -> None:
    sentence, _, wanted = row.rpartition(" | ")
    pairs = set() if wanted == "nothing" else set(re.split(" (?=[-+?])", wanted))
    assert said(sentence.replace("\\n", "\n")) == pairs


@settings(deadline=None, max_examples=50)
@given(SENTENCES, st.randoms())
def test_the_order_of_sentences_makes_no_difference(sentences: list[str], random: Random) -> None:
    before = said(" ".join(sentences))
    random.shuffle(sentences)
    assert said(" ".join(sentences)) == said("\n".join(sentences)) == before


@settings(deadline=None, max_examples=50)
@given(SENTENCES, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_letter_case_unicode_forms_and_unseen_signs_make_no_difference(sentences: list[str], form: str) -> None:
    text = " ".join(sentences)
    before = said(text)
    assert said(text.upper()) == said(text.lower()) == said(text.title()) == before
    accented = text.replace("oe", "œ").replace("ae", "æ").replace("e", "é")
    assert said(unicodedata.normalize(form, accented)) == before
    assert said(text.replace("ra", "r\u00ada").replace(". ", ".\u200b\n")) == before


@settings(deadline=None, max_examples=50)
@given(FINDINGS, st.sampled_from(["There is {}{}.", "The film shows {}{} on the left", "CT with {}{}", "{}{}"]))
def test_a_no_before_the_only_finding_turns_it_round(finding: str, form: str) -> None:
    (there,), (not_there,) = finding_states(form.format("", finding)), finding_states(form.format("no ", finding))
    assert there[0] == not_there[0] and (there[1], not_there[1]) == ("asserted", "negated")


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=300))
def test_nothing_is_found_where_nothing_is_named_and_no_script_is_too_much(text: str) -> None:
    finding_states(text)
    assert finding_states("Die Lunge ist frei. 気胸なし。 Нет плеврального выпота. لا يوجد نزيف") == set()


@settings(deadline=None, max_examples=50)
@given(st.text("no mas.,:?-|()\n•/*", max_size=200))
def test_signs_in_any_order_name_nothing_but_what_is_there(text: str) -> None:
    assert {finding for finding, _ in finding_states(text)} <= {"mass"}

"""Searches through made volumes and slides, with models whose answers are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from helpers.coarse_to_fine import find_in_slide, find_in_volume, read_blocks, slide_cost, volume_cost
from helpers.errors import InputError
from helpers.evaluation import direct_likelihoods
from helpers.models import ChatModel, chat as chat_file
from helpers.prompts import images_of, volume_messages
from helpers.slides import Slide, open_slide
from helpers.teaching import write_slide
from helpers.volumes import volume_to_rgb
from tests.coarse_to_fine.made import Server, is_bright, volume_with

QUESTION = 'Is there a bright square? End with "Final Answer: yes" or "Final Answer: no".'


def test_a_thin_finding_is_found_where_it_is():
    server = Server()
    found = find_in_volume(server, volume_with({17, 18}), QUESTION, limit=12)
    assert [part.where for part in found.scan] == [tuple(range(k, k + 8)) for k in range(0, 40, 8)]
    assert [part.answer for part in found.scan] == ["no", "no", "yes", "no", "no"]
    assert found.last.where == tuple(range(14, 26)) and {17, 18} <= set(found.last.where)
    assert (found.final_answer, found.score, found.last.p_yes) == ("yes", 1.0, None)
    assert found.tokens == sum(10 * n + 5 for n in (8, 8, 8, 8, 8, 12))
    assert found.tokens == volume_cost(server, 40, QUESTION, limit=12).tokens
    assert [sum(is_bright(prompt)) for prompt in server.prompts] == [0, 0, 2, 0, 0, 2]


def test_without_a_finding_the_last_word_is_no():
    found = find_in_volume(Server(), volume_with(set()), QUESTION, limit=12)
    assert (found.final_answer, found.score) == ("no", 0.0)
    assert found.last.where == tuple(range(12)), "of equal blocks the first"


def test_an_answer_that_states_nothing_is_neither_yes_nor_no():
    found = find_in_volume(Server(says="I cannot tell."), volume_with({3}), QUESTION, limit=12)
    assert {part.score for part in found.scan} == {0.5}
    assert found.notes == ["In 5 of 5 parts of the scan, the model stated neither yes nor no."]
    assert found.final_answer is None
    assert (
        find_in_volume(Server(says="Hm."), volume_with({3}), QUESTION, limit=12, threshold=0.4).final_answer
        is None
    )


def test_a_part_that_is_not_answered_ends_the_search():
    with pytest.raises(InputError, match="server is gone"):
        find_in_volume(Server(fails=True), volume_with({3}), QUESTION, limit=12)


@pytest.mark.parametrize(
    "settings",
    [
        *({"limit": 7}, {"limit": 12, "best": 2}, {"block": 4}, {"best": 0}),
        *({"threshold": no} for no in (float("nan"), -1, 1.5, 50)),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_asked(settings):
    server = Server()
    with pytest.raises(InputError):
        find_in_volume(server, volume_with({3}), QUESTION, **settings)
    assert not server.prompts


def test_the_model_reads_likelihoods_and_encodes_each_image_once(standin: ChatModel, monkeypatch):
    volume, encoded = volume_with({3, 4, 5}, n=24), []
    encode = chat_file.encode_images
    monkeypatch.setattr(chat_file, "encode_images", lambda *a, **k: encoded.append(len(a[2])) or encode(*a, **k))
    found = find_in_volume(standin, volume, QUESTION, limit=10, max_new_tokens=20)
    assert sum(encoded) == 2, "the volume has two different slices"
    monkeypatch.undo()
    rgb = volume_to_rgb(volume)
    for part in (*found.scan, found.last):
        prompt = volume_messages([rgb[k] for k in part.where], QUESTION)
        with standin.session(prompt) as session:
            (plain,) = direct_likelihoods(standin, session, [prompt])
        assert part.p_yes == pytest.approx(plain["p_yes_direct"], abs=1e-5)
        assert part.mass == pytest.approx(plain["yes_no_mass_direct"], abs=1e-5)
        assert part.prompt_tokens == standin.count_tokens(prompt).total
    assert found.last.text == standin.generate(prompt, max_new_tokens=20).text
    assert found.tokens == volume_cost(standin, 24, QUESTION, limit=10).tokens
    assert replace(found, threshold=found.score).final_answer == "yes"
    assert replace(found, threshold=found.score + 1e-9).final_answer == "no"
    assert standin.kept_images is None
    unlikely = replace(found, scan=tuple(replace(part, mass=0.01) for part in found.scan))
    assert "likelihood of 1% or less" in unlikely.notes[0]


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slide]:
    """Pink tissue of 2.3 x 1.5 mm at 0.5 microns a pixel, with one brown spot of 0.2 mm."""
    picture = np.full((4_096, 5_632, 3), 243, np.uint8)
    picture[512:3584, 512:5120] = (200, 120, 170)
    picture[512:3584:2, 512:5120] = (180, 100, 150)
    picture[2800:3200, 4200:4600] = (120, 70, 20)
    with open_slide(
        write_slide(tmp_path_factory.mktemp("slide") / "s.tiff", picture, mpp=0.5, levels=2)
    ) as opened:
        yield opened


class SpotServer(Server):
    """Says yes where half a percent of the image or more is brown."""

    def generate(self, messages, max_new_tokens=10):
        (image,) = images_of(messages)
        r, g, b = np.moveaxis(np.asarray(image, int), -1, 0)
        brown = (abs(r - 120) < 12) & (abs(g - 70) < 12) & (abs(b - 20) < 12)
        self.says = f"Final Answer: {'yes' if brown.mean() > 0.005 else 'no'}"
        return super().generate(messages, max_new_tokens)


def test_a_spot_is_found_on_a_slide(slide):
    server = SpotServer()
    found = find_in_slide(server, slide, QUESTION, limit=30)
    yes = [part for part in found.scan if part.answer == "yes"]
    assert yes and all(abs(part.where.mpp - 2.0) < 0.05 for part in found.scan)
    assert all(abs(part.where.mpp - 0.5) < 0.02 for part in found.fine)
    assert len(found.fine) == 8, "two columns and four rows lie in the right coarse patch"
    spot = found.last.where
    assert found.final_answer == "yes"
    assert spot.x < 4600 and spot.x + spot.size > 4200 and spot.y < 3200 and spot.y + spot.size > 2800
    cost = slide_cost(server, slide, QUESTION, limit=30)
    assert cost.parts == len(found.scan) and cost.scan_tokens == 15 * len(found.scan)
    assert found.tokens <= cost.tokens
    assert len(find_in_slide(server, slide, QUESTION, limit=3).fine) == 3


@pytest.mark.parametrize(
    "settings", [{"coarse": 20}, {"coarse": 4}, {"fine": 40}, {"coarse": 10, "fine": 5}, {"limit": 0}, {"best": 0}]
)
def test_passes_that_cannot_be_are_refused(slide, settings):
    server = Server()
    with pytest.raises(InputError):
        find_in_slide(server, slide, QUESTION, **settings)
    assert not server.prompts


def test_a_slide_that_is_coarser_than_the_second_pass_says_what_is_possible(tmp_path):
    picture = np.full((1024, 1024, 3), 150, np.uint8)
    with (
        open_slide(write_slide(tmp_path / "coarse.tiff", picture, mpp=1.0)) as one,
        pytest.raises(InputError, match="does not enlarge it"),
    ):
        find_in_slide(Server(), one, QUESTION)


def test_parts_are_drawn_one_by_one():
    drawn = []

    def prompts():
        for k in range(3):
            drawn.append(k)
            yield (k,), volume_messages([np.zeros((4, 4), np.uint8)], QUESTION)
            assert len(server.prompts) == k + 1, "asked before the next is drawn"

    server = Server()
    assert len(read_blocks(server, prompts())) == len(drawn) == 3

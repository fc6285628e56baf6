"""Every notebook in a real browser: all cells run, nothing is asked of outside hosts, and the widgets answer.

06 and 09 have fewer cases than in `make run`, since they train and embed for minutes.
"""

from __future__ import annotations

import nbformat
import pytest

pytestmark = pytest.mark.browser


def test_what_is_broken_is_noticed(run_notebook, lab):
    outside = "from IPython.display import HTML\nHTML('<img src=https://outside.example/a.png>')"
    for name, code, said in (("error", "1 / 0", "ZeroDivisionError"), ("outside", outside, "outside host")):
        kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
        cells = [nbformat.v4.new_code_cell(code), nbformat.v4.new_code_cell("'the end'")]
        broken = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(broken, lab.notebooks / f"broken_on_purpose_{name}.ipynb")
        with pytest.raises(AssertionError, match=said), run_notebook(f"broken_on_purpose_{name}"):
            pass


def test_01_the_ask_box_answers(run_notebook):
    with run_notebook("01_load_medgemma") as notebook:
        assert "not asked yet" in notebook.find("ask-count").inner_text()
        with notebook.another_picture("ask-picture"):
            notebook.find("ask-choice").locator("select").select_option("fundus")
        question = notebook.find("ask-question").locator("textarea")
        question.fill("Is this a fundus photograph? You can respond with a single word: yes or no.")
        notebook.find("ask-button").click()
        cost = notebook.find("ask-answer").locator(".answer-cost")
        cost.wait_for()
        notebook.photograph("ask-box", of="ask-box")
        assert "tokens in" in cost.inner_text()
        assert notebook.find("ask-answer").locator(".answer-text").inner_text().strip()
        assert notebook.find("ask-error").inner_text().strip() == ""


def test_02_slider_wheel_and_keys_move_through_the_volume(run_notebook):
    with run_notebook("02_ct_volume_prompting") as notebook:
        caption, picture = notebook.find("volume-caption"), notebook.find("volume-picture").locator("img")
        count = 108  # slices of the bundled head

        def is_at(k: int) -> None:
            caption.filter(has_text=f"axial {k} of {count},").wait_for()

        middle = count // 2 + 1
        is_at(middle)
        notebook.photograph("volume-viewer", of="volume-viewer")
        rail = notebook.find("volume-slider").locator(".noUi-base").bounding_box()
        with notebook.another_picture("volume-picture"):
            notebook.page.mouse.click(rail["x"] + 0.99 * rail["width"], rail["y"] + rail["height"] / 2)
        assert f"axial {middle} of" not in caption.inner_text()
        with notebook.another_picture("volume-picture"):
            notebook.find("volume-before").click()
        assert "in the prompt as SLICE" in caption.inner_text()

        strip = notebook.find("volume-strip").locator("img")
        box = strip.bounding_box()
        with notebook.another_picture("volume-picture"):
            strip.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
        is_at(middle)
        picture.click()
        for key, k in {"ArrowDown": middle + 1, "PageUp": middle - 9, "ArrowLeft": middle - 10}.items():
            with notebook.another_picture("volume-picture"):
                notebook.page.keyboard.press(key)
            is_at(k)
        with notebook.another_picture("volume-picture"):
            notebook.page.mouse.wheel(0, 100)
        is_at(middle - 9)

        for plane in ("coronal", "sagittal"):
            with notebook.another_picture("volume-picture"):
                notebook.find("volume-plane").get_by_role("button", name=plane).click()
            caption.filter(has_text=f"{plane} ").wait_for()
            notebook.photograph(f"volume-{plane}", of="volume-viewer")
        with notebook.another_picture("volume-picture"):
            notebook.find("volume-preset").locator("select").select_option("bone")
        notebook.photograph("volume-bone", of="volume-viewer")


def test_03_an_mri_volume_has_no_windows(run_notebook):
    with run_notebook("03_mri_volume_prompting") as notebook:
        notebook.photograph("volume-viewer", of="volume-viewer")
        assert notebook.find("volume-preset").count() == 0
        notebook.find("answer-truth").locator("summary").click()
        notebook.find("answer-truth").get_by_text("Truth:").wait_for()
        notebook.photograph("answer-view", of="answer-view")


def test_04_a_click_on_a_patch_shows_it_at_full_resolution(run_notebook):
    # The whole of the small slide is in the prompt, so a click into its middle meets a patch.
    with run_notebook("04_wsi_patch_prompting", DATA="slide-he") as notebook:
        caption, overview = notebook.find("slide-caption"), notebook.find("slide-picture").locator("img")
        assert "patch 1 of" in caption.inner_text()
        notebook.photograph("slide-viewer", of="slide-viewer")
        box = overview.bounding_box()
        with notebook.another_picture("slide-patch"):
            overview.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
        assert "patch 1 of" not in caption.inner_text()
        patch = notebook.find("slide-patch").locator("img")
        assert patch.evaluate("img => [img.naturalWidth, img.naturalHeight]") == [896, 896]
        assert patch.bounding_box()["y"] < box["y"] + box["height"], "what the click shows is not beside it"
        with notebook.another_picture("slide-patch"):
            notebook.page.keyboard.press("ArrowRight")
        notebook.photograph("slide-viewer-clicked", of="slide-viewer")
        patch.click()
        notebook.page.wait_for_function("document.querySelector('.slide-patch img').width === 896")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("00_start_here", {}),
        ("03b_several_sequences", {}),
        ("04b_several_slides", {}),
        ("05_evaluation", {}),
        ("05b_sessions_and_cost", {}),
        ("06_fine_tuning", {"MAX_EXAMPLES": 40}),
        ("06b_publish_an_adapter", {}),
        ("07_serving", {}),
        ("08_scale_out", {}),
        ("09_embeddings", {"MAX_CASES": 32}),
        ("10_chest_boxes_and_change", {}),
        ("13_learning_from_a_reward", {"MAX_STEPS": 2}),
        ("12_where_did_it_look", {"MAX_CASES": 8}),
        ("11_lab_reports", {"MAX_REPORTS": 8}),
        ("14_find_first_then_ask", {"PAIRS": 4}),
    ],
)
def test_it_runs(run_notebook, name, parameters):
    with run_notebook(name, **parameters):
        pass

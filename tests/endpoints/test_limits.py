"""What a server takes in one request: told by it, or by who asks."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.endpoints import EndpointModel
from helpers.errors import InputError
from helpers.models import load_model
from tests.endpoints.fake_endpoint import FakeServer


def test_a_server_that_tells_its_length_sets_the_budget_and_less_can_be_asked_for(fake: FakeServer) -> None:
    name = f"endpoint:{fake.url}"
    assert load_model(name).context == 9_000
    assert load_model(name, context=4_000).context == 4_000
    with pytest.raises(InputError, match=r"9,001 tokens is more than the 9,000.*serve --context N"):
        load_model(name, context=9_001)


def test_of_a_server_that_tells_nothing_more_can_be_asked_with_the_images_for_it(fake: FakeServer) -> None:
    del fake.models[0]["max_model_len"]
    name = f"endpoint:{fake.url}"
    assert (load_model(name).context, load_model(name).limits.images) == (32_768, 126)
    raised = load_model(name, context=65_536)
    assert (raised.context, raised.limits.images) == (65_536, 256)
    with pytest.raises(InputError, match="more than the 131,072"):
        load_model(name, context=131_073)
    for wrong in (0, "65536"):
        with pytest.raises(InputError, match=f"The context is {wrong!r}, which is not"):
            load_model(name, context=wrong)


@pytest.mark.parametrize("told", [0, -1, True, 9_000.0, "9000", [9_000]])
def test_a_length_that_is_none_is_not_taken(fake: FakeServer, told: Any) -> None:
    fake.models[0]["max_model_len"] = told
    assert load_model(f"endpoint:{fake.url}").context == 32_768


@pytest.mark.parametrize("setting", ["at_once", "attempts"])
def test_numbers_with_which_no_request_would_be_sent_are_refused(setting: str) -> None:
    for wrong in (0, -1, 1.5, "4"):
        with pytest.raises(InputError, match=f"{setting} is {wrong!r}. Use {setting}=1 or more"):
            EndpointModel("http://127.0.0.1:9/v1", "fake", **{setting: wrong})

"""Name patterns in braces."""

import pytest

from core.errors import InputError
from core.name_template import pattern_of
from core.naming import DEFAULT_PATTERN, parse_name


def test_nothing_is_the_automatic_reading() -> None:
    assert pattern_of("  ") == DEFAULT_PATTERN


def test_a_regular_expression_stays_as_it_is() -> None:
    assert pattern_of(r"(?P<sample>\w+)-x") == r"(?P<sample>\w+)-x"


def test_columns_take_the_text_up_to_what_follows() -> None:
    found = parse_name("donor 3_P4_ctrl_f01_phase.tif", pattern_of("{sample}_P{passage}_{condition}_f{field}_*"))
    assert found == {"sample": "donor 3", "passage": "4", "condition": "ctrl", "field": "01"}


def test_other_characters_stand_for_themselves() -> None:
    pattern = pattern_of("{sample}.[{well}]")
    assert parse_name("a.[C7].tif", pattern) == {"sample": "a", "well": "C7"}
    assert parse_name("ax[C7].tif", pattern) == {}


@pytest.mark.parametrize("text", ["{donor}_{passage}", "{sample}_{sample}", "no columns", "{sample", "{}"])
def test_unusable_templates_are_refused_with_what_is_wanted(text: str) -> None:
    with pytest.raises(InputError, match="name pattern"):
        pattern_of(text)

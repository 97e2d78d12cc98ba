"""Unmixing one stain."""

import numpy as np
import pytest

from core.errors import InputError
from core.stain.unmixing import XGAL, parse_vector, unmix

VECTOR = np.array([1.0, 0.45, 0.2])


def test_unmixing_recovers_the_amount_beside_any_grey(rng: np.random.Generator) -> None:
    amount, grey = rng.uniform(0, 1, (2, 8, 9))
    density = amount[..., None] * VECTOR + grey[..., None]
    np.testing.assert_allclose(unmix(density, VECTOR), amount, atol=1e-5)
    np.testing.assert_allclose(unmix(density, 7 * VECTOR), amount, atol=1e-5)  # only the direction matters


def test_a_grey_stain_is_refused() -> None:
    for wrong in ((1, 1, 1), (0, 0, 0), (1, 2), (np.nan, 1, 0)):
        with pytest.raises(InputError, match="Stain colour"):
            unmix(np.zeros((2, 2, 3)), wrong)


def test_a_vector_as_text() -> None:
    assert parse_vector(" ") == XGAL
    assert parse_vector("0.9; 0.4, 0.1") == (0.9, 0.4, 0.1)
    for wrong in ("blue", "1 2", "1 1 1"):
        with pytest.raises(InputError, match="Stain colour"):
            parse_vector(wrong)

"""Ids from what a product is made of."""

from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pytest

from core.workspace import fingerprint, product_id, slug


def test_equal_content_equal_fingerprint() -> None:
    @dataclass(frozen=True)
    class Settings:
        model: str = "LC4"
        diameter: float = 30.0

    known = fingerprint({"a": {"model": "LC4", "diameter": 30}, "b": ["x", "å"]})
    assert len(known) == 8
    assert int(known, 16) >= 0
    assert fingerprint({"b": ("x", "å"), "a": Settings()}) == known
    assert fingerprint({"b": (PurePosixPath("x"), "å"), "a": {"diameter": np.float64(30), "model": "LC4"}}) == known
    assert fingerprint({"a": Settings(diameter=30.5), "b": ["x", "å"]}) != known


def test_fingerprint_is_the_same_tomorrow() -> None:
    assert fingerprint({}) == "44136fa3"


def test_what_has_no_canonical_form_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        fingerprint({"x": float("nan")})
    with pytest.raises(TypeError):
        fingerprint({"x": object()})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("LC4", "LC4"), ("my model.pt", "my-model-pt"), ("../../æøå", "æøå"), ("", "product"), ("///", "product"), ("x" * 99, "x" * 60), ("a\u030a", "å")],
)
def test_slug(text: str, wanted: str) -> None:
    assert slug(text) == wanted


def test_product_id() -> None:
    assert product_id("senescope phase", {}) == "senescope-phase-44136fa3"

"""What the viewer is told: the change of a label image is the same pixels that the browser keeps."""

import numpy as np
import pytest

from pages.parts.label_change import labels_change


@pytest.mark.parametrize("reduction", [1, 2, 3])
@pytest.mark.parametrize("box", [(slice(0, 40), slice(0, 50)), (slice(7, 23), slice(11, 30)), (slice(5, 6), slice(8, 9)), (slice(0, 0), slice(0, 0))])
def test_runs_are_the_pixels_of_the_place(reduction: int, box: tuple[slice, slice]) -> None:
    random = np.random.default_rng(0)
    before, after = np.zeros((40, 50), np.int32), np.zeros((40, 50), np.int32)
    after[box] = random.integers(0, 3, after[box].shape) * 70_000
    message = labels_change(["a", "b"], box, after[box], reduction)
    assert message["since"] == ["a", "b"]
    x, y, width, height = message["place"]
    labels, lengths = np.array(message["runs"], int).reshape(-1, 2).T
    kept = before[::reduction, ::reduction].copy()
    kept[y : y + height, x : x + width] = np.repeat(labels, lengths).reshape(height, width)
    assert np.array_equal(kept, after[::reduction, ::reduction])
    assert all(isinstance(number, int) for number in message["runs"])

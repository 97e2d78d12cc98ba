"""Fine-tuning a network on tiny fields with small tiles: the loss, resuming, what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cells.weights import Weights, read_weights
from core.errors import InputError

EMBEDDED = Path(__file__).resolve().parents[2] / "core" / "embedded" / "senescope-phase" / "weights.pt"
TILE = 64


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.cells.training.TILE", TILE)


@pytest.fixture(scope="module")
def embedded() -> Weights:
    return read_weights(EMBEDDED)


@pytest.fixture(scope="module")
def fields() -> list:
    """Two fields of 128 px with bright squares: cells that the embedded network does not know."""
    from core.cells.training import prepare

    rng = np.random.default_rng(0)
    made = []
    for _ in range(2):
        labels = np.zeros((128, 128), np.int32)
        for k, (y, x) in enumerate(np.ndindex(3, 3), start=1):
            labels[8 + 40 * y : 34 + 40 * y, 8 + 40 * x : 34 + 40 * x] = k
        made.append(prepare((1000.0 * (labels > 0) + rng.normal(0, 50, labels.shape)).astype(np.float32), labels))
    return made


def plan(**changes: Any) -> Any:
    from core.cells.tuning import TunePlan

    return TunePlan(**({"epochs": 2, "tiles": 4, "batch": 4, "rate": 1e-3, "device": "cpu"} | changes))


def losses(rows: list) -> list:
    return [(row.epoch, row.train_loss, row.held_back_loss) for row in rows]


def test_the_loss_falls_on_both_sides(embedded: Weights, fields: list) -> None:
    from core.cells.tuning import tune

    rows = list(tune(embedded, fields[:1], fields[1:], plan()))
    assert [row.epoch for row in rows] == [0, 1, 2]
    assert rows[0].train_loss is None
    assert rows[2].train_loss < rows[1].train_loss
    assert rows[2].held_back_loss < rows[0].held_back_loss


def test_a_resumed_training_is_the_one_never_interrupted(embedded: Weights, fields: list, tmp_path: Path) -> None:
    import torch

    from core.cells.tuning import load_state, save_state, tune

    whole = list(tune(embedded, fields[:1], fields[1:], plan()))
    steps = tune(embedded, fields[:1], fields[1:], plan())
    begun = [next(steps), next(steps)]
    save_state(tmp_path / "state.pt", begun[-1].state)
    steps.close()
    rest = list(tune(embedded, fields[:1], fields[1:], plan(), load_state(tmp_path / "state.pt")))
    assert losses(begun + rest) == losses(whole)
    for name, tensor in whole[-1].state["average"].items():
        assert torch.equal(tensor, rest[-1].state["average"][name]), name
    assert rest[-1].state["best"]["epoch"] == whole[-1].state["best"]["epoch"]


def test_the_weights_of_the_best_epoch_open_as_a_model(embedded: Weights, fields: list, tmp_path: Path) -> None:
    from core.cells.segmentation import load_segmenter
    from core.cells.tuning import save_state, tune

    last = list(tune(embedded, fields[:1], [], plan(epochs=1)))[-1]
    assert last.held_back_loss is None
    assert last.state["best"]["epoch"] == 1
    save_state(tmp_path / "weights.pt", last.state["best"]["weights"])
    segmenter = load_segmenter(tmp_path / "weights.pt", "cpu")
    assert segmenter.diameter_px == pytest.approx(fields[0].diameter_px)
    assert segmenter.segment(np.zeros((64, 64), np.float32)).max() == 0


def test_another_number_of_channels_and_another_diameter_are_kept(state: dict, fields: list) -> None:
    from core.cells.tuning import tune
    from core.cells.weights import expected_shapes

    first, shapes = "downsample.down.res_down_0.proj.1.weight", expected_shapes(3)
    three = {k: v if v.shape == shapes.get(k, v.shape) else v.new_ones(shapes[k]) for k, v in state.items()}
    weights = Weights(three, 3, 17.0, 17.0)
    last = list(tune(weights, fields[:1], [], plan(epochs=1, tiles=1)))[-1]
    kept = last.state["best"]["weights"]
    assert kept[first].shape[1] == 3
    assert float(kept["diam_mean"]) == 17.0


@pytest.mark.parametrize("rate", [1e6, 3.0])
def test_a_broken_loss_stops_the_training_with_the_reason(embedded: Weights, fields: list, rate: float) -> None:
    from core.cells.tuning import tune

    with pytest.raises(InputError, match=r"Training stopped in epoch \d: the loss .* learning rate is too high"):
        list(tune(embedded, fields[:1], fields[1:], plan(rate=rate, epochs=3, batch=1)))


@pytest.mark.parametrize(("value", "words"), [(np.nan, "NaN"), (np.inf, "NaN"), (7.0, "contrast")])
def test_an_image_of_broken_values_is_refused(value: float, words: str) -> None:
    from core.cells.training import prepare

    labels = np.zeros((64, 64), np.int32)
    labels[10:30, 10:30] = 1
    image = np.random.default_rng(0).random((64, 64)).astype(np.float32) if words == "NaN" else np.full((64, 64), value, np.float32)
    image[5, 5] = value
    with pytest.raises(InputError, match=words):
        prepare(image, labels)


def test_a_stored_field_is_the_field(fields: list, tmp_path: Path) -> None:
    from core.cells.tuning import StoredField, store_field

    store_field(tmp_path / "one.npz", fields[0])
    back = StoredField(tmp_path / "one.npz")
    np.testing.assert_array_equal(back.image, fields[0].image)
    np.testing.assert_array_equal(back.targets, fields[0].targets)
    assert (back.diameter_px, back.shape) == (fields[0].diameter_px, (128, 128))


def test_a_device_that_is_not_there_is_refused() -> None:
    import torch

    from core.cells.tuning import compute_device

    assert compute_device("cpu").type == "cpu"
    for name in ("abacus", *([] if torch.cuda.is_available() else ["cuda"])):
        with pytest.raises(InputError, match="wanted one of auto"):
            compute_device(name)


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    from core.cells.tuning import load_state

    (tmp_path / "state.pt").write_bytes(b"half of it")
    with pytest.raises(InputError, match=r"state\.pt: .* damaged"):
        load_state(tmp_path / "state.pt")

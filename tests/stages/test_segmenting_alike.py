"""The same labels from the page's job, the command line, a field alone or among others, and after a resume: real network code."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import core.__main__ as command_line
import core.stages.segmenting as stage
from core.cells.weights import expected_shapes
from core.errors import Cancelled, InputError
from core.images import read, read_labels, write_image
from core.report import read_csv
from core.settings import SegmentSettings
from core.stages.outlined import SAMPLES
from core.tables import SEGMENTED_FIELDS
from core.workspace import read_json


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Cellpose network with random weights that finds something in any noise."""
    import torch

    random = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in expected_shapes(2).items():
        if len(shape) > 1:
            state[name] = torch.randn(shape, generator=random) * (2 / int(np.prod(shape[1:]))) ** 0.5 * (0.01 if name.startswith("output") else 1.0)
        else:
            state[name] = torch.ones(shape) if name.endswith(("running_var", ".0.weight")) else torch.zeros(shape)
    path = tmp_path_factory.mktemp("model") / "random.pt"
    torch.save(state | {"diam_mean": torch.tensor([30.0]), "diam_labels": torch.tensor([30.0])}, path)
    return path


@pytest.fixture
def small(experiment: Path) -> Path:
    """Two fields of 90 x 100 px."""
    for phase in stage.Experiment(experiment).fields()["phase"]:
        file, _ = stage.Experiment(experiment).resolve(phase)
        write_image(file, read(file).pixels[200:290, 200:300], 0.65)
    return experiment


def settings(model: Path, **more: object) -> SegmentSettings:
    return SegmentSettings(**{"model": str(model), "flow_threshold": 0.0, "diameter_px": 40.0, **more})  # type: ignore[arg-type]


def labels_in(product: Path) -> dict[str, np.ndarray]:
    return {file.stem: read_labels(file) for file in sorted((product / "labels").iterdir())}


@pytest.fixture
def new_ids(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and the next product is made anew in place of answered by the finished one."""
    names = (f"product-{k}" for k in range(99))

    def renew() -> None:
        name = next(names)
        monkeypatch.setattr(stage, "product_id", lambda *_: name)

    return renew


def test_alone_among_others_resumed_and_on_the_command_line(
    small: Path, model: Path, new_ids: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "keep_freed_memory", lambda: False)  # for the rest of the tests
    chosen = settings(model)
    new_ids()
    by_the_page = labels_in(stage.run({"experiment": str(small), "settings": vars(chosen), "fields": None}, lambda *_: None))
    assert len(by_the_page) == 2
    assert all(labels.max() > 3 for labels in by_the_page.values())
    new_ids()
    last = list(by_the_page)[-1]
    assert np.array_equal(labels_in(stage.segment(small, chosen, [last]))[last], by_the_page[last])
    new_ids()
    assert_same(resumed(small, chosen), by_the_page)
    new_ids()
    words = ["segment", str(small), "--model", str(model), "--flow-threshold", "0", "--diameter", "40"]
    assert command_line.main(words) == 0
    assert_same(labels_in(Path(capsys.readouterr().out.splitlines()[-1])), by_the_page)


def assert_same(some: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> None:
    assert list(some) == list(others)
    assert all(np.array_equal(some[fov_id], others[fov_id]) for fov_id in others)


def resumed(experiment: Path, chosen: SegmentSettings) -> dict[str, np.ndarray]:
    """Segmented in two goes."""

    def stop_after_one(done: float, total: float, item: str) -> None:
        if done >= 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        stage.segment(experiment, chosen, progress=stop_after_one)
    return labels_in(stage.segment(experiment, chosen))


def test_an_estimated_diameter_is_that_of_the_experiment(small: Path, network: object) -> None:
    """Not that of the fields chosen: a preview of one field shows what the job will give."""
    looked: list[int] = []
    network.estimate_diameter = lambda images, progress: looked.append(len(images)) or 33.0  # type: ignore[attr-defined]
    stage.segment(small, SegmentSettings(), [stage.Experiment(small).fields()["fov_id"][0]])
    stage.segment(small, SegmentSettings())
    assert looked == [2, 2]


def more_fields(experiment: Path, count: int, grey: int) -> None:
    """Add fields of one grey value each to the table."""
    home = stage.Experiment(experiment)
    table = home.fields()
    new = []
    for _ in range(count):
        name = f"images/new{len(table) + len(new)}_{grey}.tif"
        write_image(home.path / name, np.full((90, 100), grey, np.uint8), 0.65)
        new.append(table.iloc[0].to_dict() | {"fov_id": Path(name).stem, "phase": name, "stain": "", "labels": ""})
    home.save_fields(pd.concat([table, pd.DataFrame(new)], ignore_index=True))


def test_images_that_are_added_later_do_not_change_the_others(small: Path, network: object) -> None:
    """The estimated diameter stays that of the fields it was estimated on, once these were enough."""

    def brightness(images: list[np.ndarray], progress: object) -> float:
        return float(np.mean([image.mean() for image in images]))

    network.estimate_diameter = brightness  # type: ignore[attr-defined]

    def diameters() -> dict[str, float]:
        made = stage.segment(small, SegmentSettings())
        assert stage.segment(small, SegmentSettings()) == made
        table = read_csv(made / "fields.csv", SEGMENTED_FIELDS)
        return dict(zip(table["fov_id"], table["diameter_px"], strict=True))

    two = diameters()
    more_fields(small, 3, 200)
    five = diameters()
    assert len(set(five.values())) == 1
    assert five.items().isdisjoint(two.items())  # two fields were too few to stay with
    more_fields(small, 4, 20)
    nine = diameters()
    assert set(nine.values()) == set(five.values())
    [sample] = read_json(stage.segment(small, SegmentSettings()) / SAMPLES)["fields"]
    looked_at = stage.Experiment(small).resolve(sample[0]["phase"])[0]
    write_image(looked_at, np.full((90, 100), 7, np.uint8), 0.65)
    assert set(diameters().values()) != set(nine.values())  # one of them is another image now


def test_settings_json_says_what_ran(small: Path, model: Path) -> None:
    made = stage.segment(small, settings(model), [stage.Experiment(small).fields()["fov_id"][0]])
    [engine] = read_json(made / "settings.json")["engines"]
    assert engine.startswith(("openvino ", "pytorch "))
    assert " fp32" in engine


def test_another_speed_is_refused_before_anything_is_made(small: Path, model: Path) -> None:
    with pytest.raises(InputError, match="wanted exact or fast"):
        stage.segment(small, settings(model, speed="turbo"))
    assert not (small / "segmentations").exists()

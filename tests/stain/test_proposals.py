"""Proposed thresholds: what they promise, and how well they find stained cells of known truth."""

import numpy as np
import pytest
from scipy import ndimage

from core.errors import InputError
from core.settings import PROPOSALS, AnnotateSettings
from core.simulate.field import SimulatedField, simulate_field
from core.stain.counting import NEVER, count_cells, critical_threshold
from core.stain.opening import area_opening
from core.stain.proposals import control_threshold, curve_thresholds, fraction_curve, most_stable, proposals, proposed
from core.stain.signal import brightfield_signal, colour_signal, gated_signal


@pytest.fixture
def cells(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Critical thresholds of 100 control cells, 150 unstained and 100 stained cells of a sample, and whether control."""
    values = np.concatenate([np.exp(rng.normal(np.log(0.01), 0.3, 250)), np.exp(rng.normal(np.log(0.3), 0.4, 100))])
    return values, np.arange(350) < 100


def test_every_method_proposes_a_threshold_between_unstained_and_stained_cells(cells: tuple[np.ndarray, np.ndarray]) -> None:
    found = {p.name: p for p in proposals(*cells)}
    assert tuple(found) == PROPOSALS
    for p in found.values():
        assert p.why.endswith((".", ")")), p
        assert p.threshold is not None
        assert 0.01 < p.threshold < 0.3, p
    assert found["best"].threshold >= found["negative control"].threshold
    assert 0.02 < found["best"].threshold < 0.15


@pytest.mark.parametrize("allowed", [0.0, 0.01, 0.05, 0.1, 0.5])
@pytest.mark.parametrize("n", [1, 7, 20, 100, 333])
def test_the_control_threshold_is_the_lowest_that_keeps_the_promise(rng: np.random.Generator, allowed: float, n: int) -> None:
    controls = rng.integers(0, 40, n) / 100  # with ties
    threshold = control_threshold(controls, allowed)
    assert (controls > threshold).mean() <= allowed
    below = np.nextafter(threshold, -1)
    assert (controls > below).mean() > allowed


def test_no_negative_control_is_said_and_another_is_proposed(cells: tuple[np.ndarray, np.ndarray]) -> None:
    found = {p.name: p for p in proposals(cells[0], np.zeros(350, bool))}
    assert found["negative control"].threshold is None
    assert "no negative control" in found["negative control"].why
    assert "no negative control" in found["best"].why
    assert 0.02 < found["best"].threshold < 0.15
    with pytest.raises(InputError, match="no negative control"):
        proposed("negative control", cells[0], np.zeros(350, bool))


def test_a_control_that_is_stained_itself_lifts_the_threshold(cells: tuple[np.ndarray, np.ndarray]) -> None:
    values, control = cells
    lifted = np.where(control, values * 10, values)
    best = proposed("best", lifted, control)
    assert (lifted[control] > best.threshold).mean() <= 0.05


def test_few_controls_are_mentioned() -> None:
    words = proposed("negative control", np.array([0.1, 0.2, 0.3, 0.9]), np.array([True, True, True, False])).why
    assert "only 3 control cells" in words


def test_two_values_are_parted_and_one_is_not() -> None:
    layer = np.array([0.0, 1.0, 1.0, 0.0])  # read as raw values
    for p in proposals(layer, np.zeros(4, bool)):
        assert p.threshold is None if p.name == "negative control" else ((layer > p.threshold) == layer).all(), p
    assert {p.threshold for p in proposals(np.ones(5), np.zeros(5, bool))} == {None}


@pytest.mark.parametrize("n", [1, 2, 3, 80])
@pytest.mark.parametrize("level", [0.01, 0.3])
def test_cells_that_are_all_alike_are_not_parted(n: int, level: float, rng: np.random.Generator) -> None:
    alike = level * rng.uniform(0.8, 1.25, n)  # two different cells look like two levels, many like a plateau of half of them
    assert most_stable(alike) is None
    found = {p.name: p for p in proposals(alike, np.zeros(n, bool))}
    for name in ("best", "stability"):
        assert found[name].threshold is None
        assert "no plateau" in found[name].why
    for name in ("Otsu", "triangle", "Li"):
        assert found[name].threshold is None or n == 80 or "few cells" in found[name].why
    with pytest.raises(InputError, match="Enter a threshold"):
        proposed("best", alike, np.zeros(n, bool))
    controls = np.arange(n + 1) < 1  # a control tells stained from unstained where the cells alone cannot
    assert (proposed("best", np.append(level / 30, alike), controls).threshold < alike).all()
    assert (proposed("best", np.append(level * 1.5, alike), controls).threshold > alike).all()


def test_stained_cells_that_are_alike_are_parted_from_those_without_signal(rng: np.random.Generator) -> None:
    stained = 0.3 * rng.uniform(0.8, 1.25, 40)
    for empty in (np.full(40, -0.01), np.zeros(3)):  # as a colour gate leaves them
        best = proposed("best", np.append(empty, stained), np.zeros(len(empty) + 40, bool))
        assert 0 < best.threshold < stained.min()


def test_all_cells_positive_or_unseen(cells: tuple[np.ndarray, np.ndarray]) -> None:
    stained, none = cells[0][250:], np.zeros(100, bool)
    for p in proposals(stained, none):
        assert p.threshold is None or stained.min() / 2 <= p.threshold <= stained.max()
    with pytest.raises(InputError, match="no cell that a stain image covers"):
        proposals(np.full(4, NEVER), none[:4])
    with_unseen = np.append(cells[0], NEVER)
    assert [p.threshold for p in proposals(with_unseen, np.append(cells[1], True))] == [p.threshold for p in proposals(*cells)]


def test_stability_finds_the_middle_of_a_plateau() -> None:
    values = np.concatenate([np.geomspace(0.005, 0.01, 50), np.geomspace(0.64, 1.28, 50)])
    assert most_stable(values) == pytest.approx(0.08, rel=0.05)  # geometric middle of 0.01 and 0.64
    assert most_stable(values, 0.2) >= 0.2
    assert most_stable(np.array([-1.0, -2.0, 0.0])) is None
    assert most_stable(values, 99.0) is None


def test_unknown_or_impossible_wishes_are_refused(cells: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(InputError, match="wanted one of best"):
        proposed("otsu2", *cells)
    with pytest.raises(InputError, match="0 to below 1"):
        proposals(*cells, allowed=1.0)
    with pytest.raises(InputError, match="one role a cell"):
        proposals(cells[0], cells[1][:5])


def test_the_curve_is_the_fraction_above_each_threshold(rng: np.random.Generator) -> None:
    critical = np.append(rng.integers(0, 30, 90) / 20, NEVER)
    group = np.array(["b", "a", "c"] * 30 + ["c"])
    at = np.linspace(-0.1, 1.6, 40)
    curve = fraction_curve(critical, group, at)
    assert curve["group"].unique().tolist() == ["b", "a", "c"]
    for (name, threshold), row in curve.set_index(["group", "threshold"]).iterrows():
        inside = (group == name) & (critical > NEVER)
        assert row["n_cells"] == inside.sum() == 30
        assert row["n_positive"] == (critical[inside] > threshold).sum()
    default = fraction_curve(critical, group)
    assert default["fraction"].min() == 0
    assert fraction_curve(np.full(3, NEVER), np.array(["a"] * 3)).empty


@pytest.mark.parametrize("values", [[0.3], [0.0, 0.0], [-0.1, 0.2, 0.5], [NEVER, 0.4, 0.01]])
def test_curve_thresholds_rise_and_reach_beyond_the_last_cell(values: list[float]) -> None:
    at = curve_thresholds(np.array(values))
    assert (np.diff(at) > 0).all()
    assert at[-1] > max(values)


@pytest.fixture(scope="module")
def simulated() -> list[SimulatedField]:
    """Per seed a faintly and a clearly stained culture and an unstained control, the stain lying on the phase image."""
    cultures = [(0.5, False, 16), (1.2, False, 12), (1.0, True, 16)]
    return [
        simulate_field(100 * seed + k, 512, prevalence=0.4, confluence=0.5, stain_strength=strength, unstained=unstained, bits=bits, misaligned=False)
        for seed in (3, 4)
        for k, (strength, unstained, bits) in enumerate(cultures)
    ]


def _critical(kind: str, field: SimulatedField) -> np.ndarray:
    """Critical thresholds with the default spot and fraction."""
    mono, hue = brightfield_signal(field.stain, 2.0**field.bits - 1), colour_signal(field.colour, 255)
    settings = AnnotateSettings()
    signal = {"brightfield": mono, "colour": hue, "gated": gated_signal(mono, hue, settings.gate)}[kind]
    codes = signal.codes()
    counts = count_cells(area_opening(codes, settings.min_spot_px), field.labels, signal.scale, codes)
    assert counts.labels.tolist() == field.cells["label"].tolist()
    return critical_threshold(counts, settings.min_fraction)


def balanced_accuracy(called: np.ndarray, truth: np.ndarray) -> float:
    return float((called[truth == 1].mean() + (~called[truth == 0]).mean()) / 2)


@pytest.mark.parametrize("kind", ["brightfield", "colour", "gated"])
def test_the_default_proposal_finds_stained_cells_of_known_truth(kind: str, simulated: list[SimulatedField]) -> None:
    values = np.concatenate([_critical(kind, field) for field in simulated])
    senescent, stained = (np.concatenate([field.cells[name] for field in simulated]) for name in ("senescent", "stained"))
    control = np.repeat([k % 3 == 2 for k in range(len(simulated))], [len(field.cells) for field in simulated])
    best = proposed("best", values, control)
    called = best.threshold < values
    assert called[control].mean() <= 0.05
    assert balanced_accuracy(called[~control], stained[~control]) >= 0.95
    # some young cells are stained and some senescent ones hardly: what the stain itself can tell is the measure
    limit = balanced_accuracy(stained[~control] == 1, senescent[~control])
    assert balanced_accuracy(called[~control], senescent[~control]) >= limit - 0.03


def test_calls_of_a_real_field_follow_the_stain(ashraf: tuple[np.ndarray, np.ndarray]) -> None:
    """Called cells hold dark blue-green pixels, the others do not. The picture is painted black round the cells: 2 px are left out."""
    image, labels = ashraf
    image = np.where((labels == 0)[..., None], 116, image).astype(np.uint8)
    inner = np.where(ndimage.minimum_filter(labels, 5) == ndimage.maximum_filter(labels, 5), labels, 0)
    for signal in (brightfield_signal(image[..., 0], 255), colour_signal(image, 255)):
        assert any("black" in words for words in signal.warnings)  # a figure with stretched contrast
        codes = signal.codes()
        counts = count_cells(area_opening(codes, 20), inner, signal.scale, codes)
        critical = critical_threshold(counts, 0.05)
        called = proposed("best", critical, np.zeros(len(critical), bool)).threshold < critical
        assert 0.6 < called.mean() < 0.85
        darkest = np.array([np.percentile(image[..., 0][inner == n], 5) for n in counts.labels])  # the score that its authors used
        assert np.median(darkest[called]) + 20 < np.median(darkest[~called])  # of 116 grey levels

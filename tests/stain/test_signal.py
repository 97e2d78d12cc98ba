"""Every kind of stain image becomes a signal that is larger where there is more stain."""

import numpy as np
import pytest

from core.errors import InputError
from core.settings import SIGNALS, AnnotateSettings
from core.stain.kinds import RED_USED, StainImage, spot_px, stain_signal, threshold_of
from core.stain.signal import binary_signal, brightfield_signal, colour_signal, fluorescence_signal, gated_signal, raw_signal

SIZE, FULL = 240, 4095
XGAL = np.array([1.0, 0.42, 0.24])


@pytest.fixture
def light() -> np.ndarray:
    """Uneven light, 0.6 to 1 of it, float (Y, X)."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    return 0.95 - 0.2 * (y - 0.3) ** 2 - 0.15 * (x + 0.2) ** 2 + 0.05 * y * x


@pytest.fixture
def amount() -> np.ndarray:
    """Optical density of stain, float (Y, X): five blobs, about a tenth of the field."""
    y, x = np.mgrid[:SIZE, :SIZE]
    blobs = [(60, 60, 12, 0.5), (60, 180, 16, 0.2), (150, 70, 20, 0.9), (190, 200, 14, 0.05), (20, 120, 8, 0.4)]
    return sum(peak * np.exp(-((((y - cy) ** 2 + (x - cx) ** 2) / (2 * s**2)) ** 4)) for cy, cx, s, peak in blobs)


def recorded(light: np.ndarray, density: np.ndarray, rng: np.random.Generator, full: int = FULL, noise: float = 0.003) -> np.ndarray:
    clean = 0.8 * light * 10 ** (-density)
    return np.clip(np.rint(full * (clean + noise * np.sqrt(clean) * rng.standard_normal(clean.shape))), 0, full).astype(np.uint16)


def test_brightfield_gives_the_optical_density_under_uneven_light(light: np.ndarray, amount: np.ndarray, rng: np.random.Generator) -> None:
    stain = recorded(light, amount, rng)
    signal = brightfield_signal(stain, FULL)
    assert signal.values.dtype == np.float32
    assert signal.warnings == ()
    clear = amount < 1e-4
    assert abs(np.median(signal.values[clear])) < 0.001
    for part in (np.s_[:80, 80:110], np.s_[100:120, 120:], np.s_[210:, :150]):  # the light is flat after correction
        assert abs(np.median(signal.values[part][clear[part]])) < 0.004
    assert np.abs(signal.values - amount).mean() < 0.006


def test_a_blank_image_flattens_light_that_no_polynomial_follows(light: np.ndarray, amount: np.ndarray, rng: np.random.Generator) -> None:
    stripes = light * (1 + 0.2 * np.sin(np.arange(SIZE) / 12))
    blank = recorded(stripes, np.zeros_like(amount), rng)
    signal = brightfield_signal((0.7 * recorded(stripes, amount, rng)).astype(np.uint16), FULL, blank)  # and a shorter exposure
    assert np.abs(signal.values - amount).mean() < 0.006


def blobs(rng: np.random.Generator, share: float) -> np.ndarray:
    """Round stained cells over about ``share`` of the field, optical density 0.1 to 0.6."""
    y, x = np.mgrid[:SIZE, :SIZE]
    density = np.zeros((SIZE, SIZE))
    while (density > 0).mean() < share:
        cy, cx = rng.uniform(0, SIZE, 2)
        density[(y - cy) ** 2 + (x - cx) ** 2 < 14**2] = rng.uniform(0.1, 0.6)
    return density


@pytest.mark.parametrize("share", [0.1, 0.3, 0.4])
def test_the_background_survives_many_stained_cells(light: np.ndarray, rng: np.random.Generator, share: float) -> None:
    stained = blobs(rng, share)
    signal = brightfield_signal(recorded(light, stained, rng), FULL)
    assert signal.warnings == ()
    assert abs(np.median(signal.values[stained == 0])) < 0.01
    assert np.abs(signal.values - stained).mean() < 0.02


@pytest.mark.parametrize("side", [np.s_[:, :60], np.s_[160:], np.s_[60:160, 60:160]])
def test_the_background_survives_one_large_stained_part(light: np.ndarray, rng: np.random.Generator, side: tuple) -> None:
    stained = np.zeros((SIZE, SIZE))
    stained[side] = 0.4
    signal = brightfield_signal(recorded(light, stained, rng), FULL)
    assert abs(np.median(signal.values[stained == 0])) < 0.02
    assert abs(np.median(signal.values[stained > 0]) - 0.4) < 0.1


def test_the_bit_depth_does_not_matter(light: np.ndarray, amount: np.ndarray) -> None:
    clean = 0.8 * light * 10 ** (-amount)
    eight, sixteen = (brightfield_signal(np.rint(clean * full).astype(np.uint16), full).values for full in (255, 65535))
    assert np.abs(eight - sixteen).max() < 0.02


def test_colour_unmixes_stain_from_grey_dust(light: np.ndarray, amount: np.ndarray, rng: np.random.Generator) -> None:
    dust = np.zeros_like(amount)
    dust[110:116, 180:186] = 0.5
    colour = np.stack([recorded(light, amount * XGAL[c] + dust, rng, 255) for c in range(3)], axis=-1).astype(np.uint8)
    exact, default = colour_signal(colour, 255, tuple(XGAL)), colour_signal(colour, 255)
    assert np.abs(exact.values - amount)[dust == 0].mean() < 0.012
    assert np.abs(exact.values[112:114, 182:184]).max() < 0.1  # dust is no stain
    assert np.corrcoef(default.values.ravel(), amount.ravel())[0, 1] > 0.98
    assert default.values[145:155, 65:75].mean() == pytest.approx(amount[145:155, 65:75].mean(), rel=0.15)


def test_the_gate_keeps_stain_and_drops_dust(light: np.ndarray, amount: np.ndarray, rng: np.random.Generator) -> None:
    dust = np.zeros_like(amount)
    dust[110:116, 180:186] = 0.5
    colour = np.stack([recorded(light, amount * XGAL[c] + dust, rng, 255) for c in range(3)], axis=-1).astype(np.uint8)
    mono, hue = brightfield_signal(recorded(light, amount + dust, rng), FULL), colour_signal(colour, 255)
    gated = gated_signal(mono, hue, 0.04)
    assert mono.values[111:115, 181:185].min() > 0.3
    assert gated.values[111:115, 181:185].max() <= 0
    strong = amount > 0.1
    assert np.array_equal(gated.values[strong], mono.values[strong])
    assert (gated.values <= mono.values).all()
    with pytest.raises(InputError, match="Align them first"):
        gated_signal(mono, colour_signal(colour[:100], 255), 0.04)


def test_fluorescence_takes_its_background_off(light: np.ndarray, amount: np.ndarray, rng: np.random.Generator) -> None:
    image = FULL * (0.05 * light + 0.3 * amount) + 5 * rng.standard_normal(amount.shape)
    signal = fluorescence_signal(image.clip(0).astype(np.uint16), FULL)
    assert signal.unit == "share of full scale"
    assert np.abs(signal.values - 0.3 * amount).mean() < 0.003


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.float32])
def test_a_ready_layer_of_any_depth_is_stained_where_it_is_not_zero(dtype: type) -> None:
    layer = np.array([[0, 1], [200, 0]]).astype(dtype)
    signal = binary_signal(layer)
    assert np.array_equal(signal.codes() > signal.scale.code_of(0.5), layer != 0)
    assert binary_signal(np.zeros((3, 3), dtype)).warnings == ("The stain layer is unstained everywhere.",)


def test_raw_keeps_every_value_in_either_sense() -> None:
    image = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    assert np.array_equal(raw_signal(image, 4095, "bright").codes(), image)
    assert np.array_equal(raw_signal(image, 4095, "dark").codes(), 4095 - image)
    assert np.array_equal(raw_signal(image[:4, :4].astype(np.uint8), 255, "dark").values > 0.9, 255 - image[:4, :4].astype(np.uint8) > 0.9 * 255)
    with pytest.raises(InputError, match="'dark' or 'bright'"):
        raw_signal(image, 4095, "grey")


@pytest.mark.parametrize("measure", [brightfield_signal, fluorescence_signal, raw_signal])
def test_an_empty_image_is_an_error_and_a_saturated_one_a_warning(measure, light: np.ndarray, amount: np.ndarray, rng: np.random.Generator) -> None:
    with pytest.raises(InputError, match="empty: every pixel is 7"):
        measure(np.full((20, 20), 7, np.uint16), FULL)
    with pytest.raises(InputError, match="bit depth is stated wrongly"):
        measure(recorded(light, amount, rng), 255)
    stain = recorded(light, amount, rng)
    stain[:30] = FULL
    assert any("12 % of the stain image is saturated (white)" in words for words in measure(stain, FULL).warnings)


def test_black_stain_is_a_warning(light: np.ndarray, amount: np.ndarray, rng: np.random.Generator) -> None:
    stain = recorded(light, amount, rng)
    stain[amount > 0.3] = 0
    signal = brightfield_signal(stain, FULL)
    assert any("saturated (black)" in words for words in signal.warnings)
    assert np.isfinite(signal.values).all()


def test_a_field_without_background_says_so(rng: np.random.Generator) -> None:
    everywhere = 10 ** (-rng.gamma(1.0, 0.4, (SIZE // 4, SIZE // 4)).repeat(4, 0).repeat(4, 1))
    assert any("unstained background" in words for words in brightfield_signal((3000 * everywhere).astype(np.uint16), FULL).warnings)
    assert any("unstained background" in words for words in fluorescence_signal((3000 * everywhere).astype(np.uint16), FULL).warnings)


def test_a_noiseless_flat_background_is_exactly_zero() -> None:
    stain = np.full((100, 120), 1000, np.uint16)
    stain[20:30, 40:60] = 100
    signal = brightfield_signal(stain, 65535).values
    assert np.abs(signal[stain == 1000]).max() < 1e-5
    assert np.abs(signal[stain == 100] - 1).max() < 1e-5


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (5, 300), (97, 9)])
def test_odd_shapes_are_measured(shape: tuple[int, int], rng: np.random.Generator) -> None:
    stain = rng.integers(900, 1100, shape).astype(np.uint16)
    stain[0, 0] = 800
    assert np.isfinite(brightfield_signal(stain, FULL).values).all()


@pytest.mark.parametrize("kind", SIGNALS)
def test_every_kind_of_the_settings_is_measured(kind: str, light: np.ndarray, amount: np.ndarray, rng: np.random.Generator) -> None:
    colour = np.stack([recorded(light, amount * XGAL[c], rng, 255) for c in range(3)], axis=-1).astype(np.uint8)
    pixels = recorded(light, amount, rng)
    pixels = {"fluorescence": 4095 - pixels, "binary": (amount > 0.1).astype(np.uint8)}.get(kind, pixels)
    signal = stain_signal(AnnotateSettings(signal=kind), StainImage(pixels, FULL), StainImage(colour, 255))
    assert signal.values.shape == (SIZE, SIZE)
    assert signal.values[amount > 0.35].mean() > signal.values[amount < 1e-3].mean() + 0.1


def test_images_that_a_kind_needs_are_asked_for(light: np.ndarray, amount: np.ndarray, rng: np.random.Generator) -> None:
    stain = StainImage(recorded(light, amount, rng), FULL)
    with pytest.raises(InputError, match="no stain image"):
        stain_signal(AnnotateSettings(), None)
    for kind in ("colour", "gated"):
        with pytest.raises(InputError, match="no colour image"):
            stain_signal(AnnotateSettings(signal=kind), stain)
    with pytest.raises(InputError, match="wanted one of brightfield"):
        stain_signal(AnnotateSettings(signal="magic"), stain)


def test_a_colour_stain_image_is_seen_through_a_red_filter(light: np.ndarray, amount: np.ndarray, rng: np.random.Generator) -> None:
    colour = np.stack([recorded(light, amount * XGAL[c], rng) for c in range(3)], axis=-1)
    signal = stain_signal(AnnotateSettings(), StainImage(colour, FULL, colour))
    assert RED_USED in signal.warnings
    plain = stain_signal(AnnotateSettings(), StainImage(colour[..., 0], FULL, colour[..., 0]))
    assert np.array_equal(signal.values, plain.values)
    assert stain_signal(AnnotateSettings(signal="colour"), StainImage(colour, FULL)).values.shape == amount.shape


def test_a_blank_that_does_not_fit_is_refused(light: np.ndarray, amount: np.ndarray, rng: np.random.Generator) -> None:
    stain = recorded(light, amount, rng)
    with pytest.raises(InputError, match="size of the stain image"):
        brightfield_signal(stain, FULL, stain[:50])
    with pytest.raises(InputError, match="black pixels"):
        brightfield_signal(stain, FULL, np.zeros_like(stain))


def test_the_threshold_is_a_number_or_auto() -> None:
    assert threshold_of(AnnotateSettings()) is None
    assert threshold_of(AnnotateSettings(threshold=" 0,25")) == 0.25
    for wrong in ("nan", "inf", "dark", ""):
        with pytest.raises(InputError, match="number or 'auto'"):
            threshold_of(AnnotateSettings(threshold=wrong))


def test_the_smallest_spot_may_be_given_in_micrometres() -> None:
    assert spot_px(AnnotateSettings(min_spot_px=9), 0.5) == 9
    assert spot_px(AnnotateSettings(min_spot_um2=10.0), 0.5) == 40
    assert spot_px(AnnotateSettings(min_spot_um2=0.01), 0.5) == 1
    with pytest.raises(InputError, match="pixel size is unknown"):
        spot_px(AnnotateSettings(min_spot_um2=10.0), None)

"""Tiles: the same sums as Cellpose's, to the last bit, in a band of memory."""

from collections.abc import Generator, Iterable

import numpy as np
import pytest

from core.cells import tiles
from core.errors import Cancelled


def stripes(samples: Iterable[np.ndarray]) -> Generator[np.ndarray, None, None]:
    """Stands in for a network: three functions of the tile and of the place in it."""
    for tile in samples:
        y, x = np.indices(tile.shape[1:], np.float32)
        yield np.stack([tile[0] * 1.7 - y / 9, np.sin(tile[0] * 3 + x), tile[0] + tile[1:].sum()]).astype(np.float32)


def cellpose_sums(image: np.ndarray, tile: int) -> np.ndarray:
    """Padding, tiling and averaging by Cellpose's functions, as its ``run_net`` calls them."""
    from cellpose.transforms import average_tiles, get_pad_yx, make_tiles

    top, bottom, left, right = get_pad_yx(*image.shape)
    padded = np.pad(np.stack([image, np.zeros_like(image)]), ((0, 0), (top, bottom), (left, right)))
    cut, ysub, xsub, height, width = make_tiles(padded, bsize=tile)
    out = np.stack(list(stripes(cut.reshape(-1, *cut.shape[2:]))))
    whole = average_tiles(out, ysub, xsub, height, width)
    return whole[:, top : top + image.shape[0], left : left + image.shape[1]]


@pytest.mark.parametrize("shape", [(70, 90), (64, 64), (16, 200), (231, 130), (1, 1), (33, 47)])
def test_the_sums_are_cellpose(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert np.array_equal(tiles.flows_in_tiles(image, 2, stripes, tile=64), cellpose_sums(image, 64))


def test_full_tiles_are_cellpose() -> None:
    image = np.random.default_rng(0).normal(size=(300, 500)).astype(np.float32)
    assert np.array_equal(tiles.flows_in_tiles(image, 2, stripes), cellpose_sums(image, 224))


def test_the_image_is_the_first_channel() -> None:
    seen = []

    def network(samples: Iterable[np.ndarray]) -> Generator[np.ndarray, None, None]:
        for tile in samples:
            seen.append(tile)
            yield np.zeros((3, *tile.shape[1:]), np.float32)

    tiles.flows_in_tiles(np.ones((20, 30), np.float32), 3, network)
    [tile] = seen
    assert tile.shape == (3, 48, 48)
    assert tile[0].sum() == 600
    assert not tile[1:].any()


def test_few_tiles_are_held_at_once() -> None:
    """They are cut as the network asks for them."""
    cut: list[int] = []

    def network(samples: Iterable[np.ndarray]) -> Generator[np.ndarray, None, None]:
        for k, tile in enumerate(samples):
            cut.append(k)
            yield np.zeros((3, *tile.shape[1:]), np.float32)

    behind: list[float] = []
    tiles.flows_in_tiles(np.ones((200, 200), np.float32), 2, network, lambda done, total, item: behind.append(len(cut)), tile=64)
    assert behind == list(range(len(cut)))


def test_a_cancel_closes_the_stream() -> None:
    closed = []

    def network(samples: Iterable[np.ndarray]) -> Generator[np.ndarray, None, None]:
        try:
            yield from stripes(samples)
        finally:
            closed.append(True)

    def stop(done: float, total: float, item: str) -> None:
        if done > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        tiles.flows_in_tiles(np.ones((200, 200), np.float32), 2, network, stop, tile=64)
    assert closed == [True]

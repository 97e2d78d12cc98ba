"""Weights of ImageNet: downloaded on request only, checked by the published hash."""

import hashlib
import urllib.error
from pathlib import Path
from typing import Any

import pytest

from core.errors import InputError
from core.models import imagenet
from core.models.imagenet import HASHES, download_imagenet, imagenet_file, imagenet_path
from core.settings import NETWORKS
from core.stages.downloading import run

BODY = b"weights of photographs"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A server that gives BODY, whose hash is the published one of B0; what it was asked."""
    asked: list[str] = []

    def fetch(url: str, target: Path, *_: Any) -> None:
        asked.append(url)
        target.write_bytes(BODY)

    monkeypatch.setattr(imagenet, "fetch", fetch)
    monkeypatch.setattr(imagenet, "HASHES", {**HASHES, "efficientnet-b0": hashlib.sha256(BODY).hexdigest()[:8]})
    return asked


def test_there_are_weights_for_every_network() -> None:
    assert tuple(HASHES) == NETWORKS


def test_without_a_download_it_says_how_to_get_them() -> None:
    with pytest.raises(InputError, match=r"models download imagenet-efficientnet-b4'.*efficientnet-b4-6ed6700e\.pth"):
        imagenet_file("efficientnet-b4")
    with pytest.raises(InputError, match="resnet"):
        imagenet_file("resnet")


def test_they_are_downloaded_once(served: list[str]) -> None:
    path = run({"name": "imagenet-efficientnet-b0"}, lambda *_: None)
    assert path == imagenet_file("efficientnet-b0") == download_imagenet("imagenet-efficientnet-b0")
    assert path.read_bytes() == BODY
    assert len(served) == 1
    assert served[0].startswith("https://github.com/lukemelas/EfficientNet-PyTorch/releases/download/1.0/efficientnet-b0-")


def test_without_internet_it_says_where_a_file_from_elsewhere_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: Any) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(imagenet, "fetch", fetch)
    with pytest.raises(InputError, match=r"cannot be reached.*on another computer and put it, as") as refused:
        download_imagenet("imagenet-efficientnet-b0")
    place = imagenet_path("efficientnet-b0")
    assert f"as {place.name}, into the folder {place.parent}." in str(refused.value)
    assert place.parent.is_dir()


def test_another_file_than_the_published_one_is_not_kept(served: list[str]) -> None:
    with pytest.raises(InputError, match="another file than the published one"):
        download_imagenet("imagenet-efficientnet-b1")
    with pytest.raises(InputError, match="not on this machine"):
        imagenet_file("efficientnet-b1")

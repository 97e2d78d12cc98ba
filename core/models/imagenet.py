"""Weights that were trained on the photographs of ImageNet: what a training of a classifier may start from.

They are no classifiers of cells, so they are not listed in the library; they lie in its folder ``imagenet``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from core.errors import InputError
from core.models.downloading import explained, fetch
from core.models.library import library_folder
from core.models.model import sha256_of
from core.progress import Progress, silent
from core.workspace import file_errors

PREFIX: Final = "imagenet-"
URL: Final = "https://github.com/lukemelas/EfficientNet-PyTorch/releases/download/1.0"
LICENCE: Final = "Apache-2.0"
HASHES: Final[Mapping[str, str]] = {  # first digits of the SHA-256, which are also in the names of the files
    "efficientnet-b0": "355c32eb",
    "efficientnet-b1": "f1951068",
    "efficientnet-b2": "8bb594d6",
    "efficientnet-b3": "5fb5a3c3",
    "efficientnet-b4": "6ed6700e",
    "efficientnet-b5": "b6417697",
    "efficientnet-b6": "c76e70fd",
    "efficientnet-b7": "dcc49843",
}


def imagenet_path(architecture: str) -> Path:
    """Where the weights lie once they are downloaded."""
    if architecture not in HASHES:
        raise InputError(f"Network: wanted one of {', '.join(HASHES)}, found {architecture!r}.")
    return library_folder() / "imagenet" / f"{architecture}-{HASHES[architecture]}.pth"


def imagenet_file(architecture: str) -> Path:
    """The downloaded weights. InputError, with what to do, where they are not on this machine."""
    path = imagenet_path(architecture)
    if not path.is_file():
        raise InputError(
            f"The ImageNet weights of {architecture} are not on this machine yet. Download them once with "
            f"'python -m core models download {PREFIX}{architecture}', or bring the file {path.name} and start from it (--start FILE)."
        )
    return path


def download_imagenet(name: str, progress: Progress = silent) -> Path:
    """Download ``imagenet-efficientnet-b4`` and the like, checked by its hash; returns the file at once where it is there."""
    path = imagenet_path(name.removeprefix(PREFIX))
    if path.is_file():
        return path
    url, partial = f"{URL}/{path.name}", path.with_suffix(".part")
    with file_errors(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
    try:
        with explained(url, f"Without internet here: download this file on another computer and put it, as {path.name}, into the folder {path.parent}."):
            fetch(url, partial, name, progress)
        if not sha256_of(partial).startswith(HASHES[name.removeprefix(PREFIX)]):
            raise InputError(f"{url}: gave another file than the published one (its SHA-256 differs); it was not kept.")
        with file_errors(path, "write"):
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path

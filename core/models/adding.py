"""Take a model file into the library: checked first, copied whole or not at all."""

import contextlib
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from math import isfinite
from pathlib import Path
from typing import Any, Final

from core.cells.zoo import ZOO
from core.errors import InputError
from core.models.library import EMBEDDED, check_file, library_folder
from core.models.model import CARD, DESCRIPTION, KINDS, Model, read_model, sha256_of
from core.workspace import checked_name, file_errors, write_atomic, write_json

DAY_S: Final = 86_400
_OFFICIAL: Final = {zoo.file for zoo in ZOO.values()}


def add_model(
    path: Path,
    name: str | None = None,
    kind: str | None = None,
    mean: float | None = None,
    std: float | None = None,
    threshold: float | None = None,
    licence: str = "",
    summary: str = "",
    card: str = "",
) -> Model:
    """Import a Cellpose 3 model, a Senescope classifier or a plain EfficientNet state dict.

    Parameters
    ----------
    path
        The file.
    name
        Name in the library; by default the file's, made safe. A name of the zoo takes a file downloaded elsewhere.
    kind
        ``"segmenter"``, ``"classifier"``, or None: found from the file.
    card
        Model card, markdown; by default the summary and what the file says of itself.
    mean, std, threshold
        Of a classifier: mean and standard deviation of its training crops, decision threshold. They replace those in the file.

    Raises
    ------
    InputError
        Not a usable model, a name that is taken or not a file name, values that make no sense.
    """
    path = Path(path).expanduser()
    kind = kind or _kind_of(path)
    if kind not in KINDS:
        raise InputError(f"Wanted a model of kind {' or '.join(KINDS)}, found {kind!r}.")
    values = _checked_values(path, kind, mean, std, threshold)
    about = _describe(path, kind, licence, summary)
    name = _free_name(path, name, kind)
    about["card_text"] = card or f"# {name}\n\n{about['card_text']}"
    zoo = ZOO.get(name)
    file = zoo.file if zoo else path.name if path.name in _OFFICIAL else "weights.pt"  # Cellpose treats its nuclei file by name
    with new_folder(name) as folder:
        with file_errors(folder, "copy the model to"):
            _write_weights(path, folder / file, values)
        if (there := _same(name, folder / file)) is not None:
            return there
        if zoo:
            about |= {"licence": licence or zoo.licence, "summary": summary or zoo.what}
        describe(folder, {"name": name, "kind": kind, "source": "library", "file": file, "origin": path.name, **about})
    return read_model(library_folder() / name)


@contextlib.contextmanager
def new_folder(name: str) -> Iterator[Path]:
    """A hidden folder that becomes ``<library>/<name>`` when the block ends well and holds a description, else goes away."""
    root = library_folder()
    scratch = root / f".{secrets.token_hex(6)}.part"
    with file_errors(root, "write to the model library"):
        scratch.mkdir(parents=True)
        _sweep(root)
    try:
        yield scratch
        if (scratch / DESCRIPTION).is_file():
            _publish(scratch, root / name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _sweep(root: Path) -> None:
    """Remove what a killed import or download left behind a day ago or earlier."""
    for left in (*root.glob(".*.part"), *root.glob(".*.old")):
        if left.is_dir() and time.time() - left.stat().st_mtime > DAY_S:
            shutil.rmtree(left, ignore_errors=True)


def describe(folder: Path, about: Mapping[str, Any]) -> None:
    """Write ``card.md`` and ``model.json`` of a model whose weights lie in ``folder`` already."""
    weights = folder / about["file"]
    about = dict(about)
    write_atomic(folder / CARD, str(about.pop("card_text", "")).encode("utf-8"))
    measured = {"sha256": sha256_of(weights), "bytes": weights.stat().st_size}
    added = datetime.now(timezone.utc).isoformat(timespec="seconds")
    write_json(folder / DESCRIPTION, {**about, **measured, "card": CARD, "added": added})


def _publish(scratch: Path, final: Path) -> None:
    with file_errors(final, "write"):
        if final.exists():
            old = scratch.with_suffix(".old")
            final.rename(old)
            shutil.rmtree(old, ignore_errors=True)
        scratch.rename(final)


def _kind_of(path: Path) -> str:
    from core.cells.weights import load_plain, network_kind

    wanted = "a Cellpose 3 model or a classifier (EfficientNet)"
    found = network_kind(load_plain(path, wanted))
    if "Cellpose" in found or "transformer" in found:
        return "segmenter"
    if "classifier" in found or "checkpoint" in found:
        return "classifier"
    raise InputError(f"{path}: wanted {wanted}; found {found}.")


def _checked_values(path: Path, kind: str, mean: float | None, std: float | None, threshold: float | None) -> dict[str, float]:
    given = {k: float(v) for k, v in (("mean", mean), ("std", std), ("threshold", threshold)) if v is not None}
    if given and kind != "classifier":
        raise InputError(f"{path}: {', '.join(given)} belong to classifiers; this is a segmentation model.")
    if ("mean" in given) != ("std" in given):
        raise InputError(f"{path}: wanted both the mean and the standard deviation of the training crops, found one of them.")
    if not all(isfinite(v) for v in given.values()) or given.get("std", 1.0) <= 0:
        raise InputError(f"{path}: wanted a finite mean and a standard deviation above 0, found {given}.")
    if not 0 <= given.get("threshold", 0.5) <= 1:
        raise InputError(f"{path}: wanted a threshold between 0 and 1, found {given['threshold']}.")
    return given


def _describe(path: Path, kind: str, licence: str, summary: str) -> dict[str, Any]:
    """Check the file as a model of its kind and collect what is known of it."""
    simulated = check_file(path, kind)
    card = _card(path) if kind == "classifier" else {}
    lines = [f"- {key.replace('_', ' ')}: {_said(key, value)}" for key, value in card.items()]
    summary = summary or str(card.get("summary", "")) or f"Imported from {path.name}."
    text = "\n".join([summary, "", *lines, ""])
    return {"licence": licence or str(card.get("licence", "")), "summary": summary, "simulated": simulated, "card_text": text}


def _said(key: str, value: Any) -> Any:
    from core.classifier.learned_from import CARD_KEY, in_words

    return in_words(value) if key == CARD_KEY else value


def _card(path: Path) -> dict[str, Any]:
    from core.classifier.checkpoint import load_checkpoint

    return dict(load_checkpoint(path).card)


def _free_name(path: Path, name: str | None, kind: str) -> str:
    """The name to use: given, or made from the file's; InputError where it is taken or cannot be a folder."""
    if name is None:
        official = next((zoo.name for zoo in ZOO.values() if zoo.file == path.name and kind == "segmenter"), None)
        name = official or re.sub(r"[^\w.\-]+", "-", path.stem).strip("-.") or "model"
    checked_name(name, "Model name")
    if name in ZOO and kind == "segmenter" and not ZOO[name].unsupported:
        return name
    taken = {n.lower(): n for n in (*ZOO, *_embedded())}
    if name.lower() in taken:
        raise InputError(f"The name {taken[name.lower()]} belongs to a model that comes with Senescope or Cellpose. Choose another name.")
    return name


def _embedded() -> list[str]:
    return [f.name for f in EMBEDDED.iterdir() if f.is_dir()] if EMBEDDED.is_dir() else []


def _write_weights(path: Path, target: Path, values: Mapping[str, Any]) -> None:
    if not values:
        shutil.copyfile(path, target)
        return
    from core.classifier.checkpoint import load_checkpoint, save_checkpoint

    save_checkpoint(target, replace(load_checkpoint(path), **values))


def _same(name: str, weights: Path) -> Model | None:
    """The model of this name (in any case of letters) if it has these very weights; InputError if it has others."""
    folder = next((f for f in library_folder().iterdir() if f.name.lower() == name.lower() and (f / DESCRIPTION).is_file()), None)
    if folder is None:
        return None
    with contextlib.suppress(InputError):
        there = read_model(folder)
        if there.path is not None and there.path.is_file() and sha256_of(there.path) == sha256_of(weights) == there.sha256:
            return there
    raise InputError(f"There is already a model named {folder.name} in the library, with other weights. Choose another name.")

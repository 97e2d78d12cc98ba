"""Which models there are, and the one a user names."""

import difflib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.cells.zoo import ZOO
from core.errors import InputError
from core.models.model import DESCRIPTION, Kind, Model, read_model, sha256_of
from core.workspace import workspace_root

EMBEDDED: Final = Path(__file__).resolve().parents[1] / "embedded"
_log = logging.getLogger(__name__)


def library_folder() -> Path:
    """Where imported and downloaded models lie: ``models`` in the workspace."""
    return workspace_root() / "models"


def list_models(kind: str | None = None) -> list[Model]:
    """Every model of a kind, by name in three groups: embedded, the user's own, the zoo (downloaded or not).

    A folder whose description is damaged is left out with a line in the log; `verify_model` says what is wrong with it.
    """
    present = _present()
    rows = [*present.values(), *(zoo_model(name) for name in ZOO if name not in present and not ZOO[name].unsupported)]
    order = {"embedded": 0, "library": 1, "zoo": 2}
    rows.sort(key=lambda m: order[m.source])  # stable: by name within a group, the zoo in its own order
    return [m for m in rows if kind is None or m.kind == kind]


def find_model(name_or_path: str, kind: str) -> Model:
    """The model of that name, or in that file, ready to use: its weights are there and are those that were recorded.

    Raises
    ------
    InputError
        Unknown name (near names are listed; no other model is taken instead), a model of the zoo that was not downloaded, changed
        or missing weights, a file that is not a model of this kind.
    """
    text = str(name_or_path).strip()
    present = _present()
    if text in present:
        return _usable(_of_kind(present[text], kind))
    if text in ZOO:
        _refuse_unsupported(text)
        _of_kind(zoo_model(text), kind)
        raise InputError(
            f"The model {text} of the Cellpose zoo is not on this machine yet. Download it on the models page or with "
            f"'python -m core models download {text}'; without internet, 'python -m core models add FILE --name {text}'."
        )
    if text and Path(text).expanduser().is_file():
        return file_model(Path(text).expanduser().absolute(), kind)
    raise InputError(_unknown(text, kind))


def verify_model(name: str) -> list[str]:
    """What is wrong with an embedded, imported or downloaded model, in plain lines; an empty list: nothing.

    Raises
    ------
    InputError
        There is no model of that name.
    """
    folder = next((f for f in _folders() if f.name == name), None)
    if folder is None and name in ZOO:
        return [f"{name} is not downloaded."]
    if folder is None:
        raise InputError(_unknown(name, None))
    try:
        model = read_model(folder)
        _usable(model)
        check_file(model.path or folder, model.kind)
    except InputError as problem:
        return [str(problem)]
    return []


def check_file(path: Path, kind: str) -> bool:
    """Check that a file is a model of a kind (InputError otherwise), and say whether it was trained on simulated cells."""
    if kind == "segmenter":
        from core.cells.weights import check_weights

        check_weights(path)
        return False
    from core.classifier.checkpoint import load_checkpoint

    return load_checkpoint(path).simulated


def file_model(path: Path, kind: str) -> Model:
    """A file that is not in the library, checked."""
    simulated = check_file(path, kind)
    checked: Kind = "segmenter" if kind == "segmenter" else "classifier"
    return Model(path.stem, checked, "file", path, sha256_of(path), "", f"The file {path.name}, not in the library.", "", simulated)


def zoo_model(name: str, path: Path | None = None, sha256: str = "") -> Model:
    """A model of the Cellpose zoo, downloaded (with ``path``) or not."""
    zoo = ZOO[name]
    card = f"# {name}\n\n{zoo.what}\n\n- Source: {zoo.url}\n- Licence: {zoo.licence}\n- Cite: {zoo.citation}\n"
    return Model(name, "segmenter", "zoo", path, sha256, zoo.licence, zoo.what, card, False)


def _folders() -> Iterator[Path]:
    """Folders with a model: those of the app first."""
    for root in (EMBEDDED, library_folder()):
        if root.is_dir():
            yield from sorted(f for f in root.iterdir() if (f / DESCRIPTION).is_file() and not f.name.startswith("."))


def _present() -> dict[str, Model]:
    models: dict[str, Model] = {}
    for folder in _folders():
        try:
            models.setdefault(folder.name, read_model(folder))
        except InputError as problem:
            _log.warning("model left out: %s", problem)
    return models


def _of_kind(model: Model, kind: str) -> Model:
    if model.kind != kind:
        raise InputError(f"{model.name} is a {model.kind}; wanted a {kind}. Choose one of: {', '.join(_names(kind))}.")
    return model


def _usable(model: Model) -> Model:
    assert model.path is not None  # models in folders have a file
    advice = "Get the app again." if model.source == "embedded" else "Delete its folder and add or download it again."
    if not model.path.is_file():
        raise InputError(f"The model {model.name} has lost its weights: {model.path} is missing. {advice}")
    found = sha256_of(model.path)
    if found != model.sha256:
        raise InputError(
            f"The weights of {model.name} changed since they were recorded: {model.path} has SHA-256 {found[:12]}..., wanted {model.sha256[:12]}.... {advice}"
        )
    return model


def _refuse_unsupported(name: str) -> None:
    if ZOO[name].unsupported:
        raise InputError(f"The model {name} cannot be used here: {ZOO[name].unsupported}.")


def _names(kind: str | None) -> list[str]:
    return [m.name for m in list_models(kind)]


def _unknown(text: str, kind: str | None) -> str:
    names = _names(kind)
    what = kind or "model"
    if text and (len(Path(text).parts) > 1 or Path(text).suffix in (".pt", ".pth", ".bin", ".onnx")):
        return f"{text}: wanted a {what} file, but there is no such file."
    lower = {n.lower(): n for n in names}
    near = [lower[n] for n in difflib.get_close_matches(text.lower(), lower, n=4, cutoff=0.5)]
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return f"There is no {what} named {text!r}, and no such file. {hint}Known: {', '.join(names)}."

"""Take a model out of the library; its files are kept."""

from pathlib import Path
from typing import Final

from core.errors import InputError
from core.models.library import EMBEDDED, library_folder, list_models
from core.models.model import DESCRIPTION
from core.workspace import set_aside

REMOVED: Final = ".removed"  # a folder of the library


def remove_model(name: str) -> Path:
    """Take an imported or downloaded model out of the library, also one whose description is damaged.

    Its folder moves into ``.removed`` of the library, and back by hand. Results made with it are not touched: they name it by
    its hash.

    Returns
    -------
    Path
        Where its folder is now.

    Raises
    ------
    InputError
        There is no such model, or it comes with the app.
    """
    if (EMBEDDED / name / DESCRIPTION).is_file():
        raise InputError(f"The model {name} comes with the app and stays.")
    found = {one.parent.name: one.parent for one in library_folder().glob(f"[!.]*/{DESCRIPTION}")}
    if name not in found:
        own = ", ".join(model.name for model in list_models() if model.source != "embedded" and model.path) or "none"
        raise InputError(f"There is no model named {name!r} that could be removed. Imported or downloaded: {own}.")
    return set_aside(found[name], REMOVED)

"""The model library: what comes with the app, what can be downloaded, what a user imported. No network access but `download_model`."""

from core.models.adding import add_model
from core.models.downloading import download_model
from core.models.library import find_model, library_folder, list_models, verify_model
from core.models.model import Model
from core.models.removing import remove_model

__all__ = ["Model", "add_model", "download_model", "find_model", "library_folder", "list_models", "remove_model", "verify_model"]

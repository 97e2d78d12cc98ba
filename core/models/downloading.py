"""Download a model of the Cellpose zoo: certificates checked, with a timeout, appearing in the library whole or not at all."""

import contextlib
import http.client
import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from core.cells.zoo import ZOO
from core.errors import InputError
from core.models.adding import describe, new_folder
from core.models.library import check_file, find_model, library_folder, verify_model, zoo_model
from core.models.model import DESCRIPTION, Model, read_model, sha256_of
from core.progress import Progress, silent
from core.workspace import file_errors

TIMEOUT_S: Final = 30  # without a byte
CHUNK: Final = 1 << 18
LARGEST: Final = 2 << 30
MB: Final = 1e6
MIRROR: Final = "SENESCOPE_MODEL_URL"


def download_model(name: str, progress: Progress = silent, base_url: str | None = None) -> Model:
    """Bring a model of the zoo into the library, or return it if it is there and intact.

    Parameters
    ----------
    name
        A name of `core.cells.zoo.ZOO`.
    progress
        Told ``(megabytes, megabytes in all, name)``; may raise Cancelled, which leaves nothing behind.
    base_url
        Folder to download from instead of Cellpose's (a mirror); by default the environment variable SENESCOPE_MODEL_URL.

    Raises
    ------
    InputError
        Unknown name; server not reachable, certificate refused, file not there, cut off, or not a Cellpose 3 model; or not
        the file that was recorded when the model was first downloaded.
    """
    if name not in ZOO or ZOO[name].unsupported:
        return find_model(name, "segmenter")  # embedded or imported; else it says what is wrong with the name
    folder = library_folder() / name
    if (folder / DESCRIPTION).is_file() and not verify_model(name):
        return read_model(folder)
    url = _address(name, base_url)
    with new_folder(name) as scratch:
        weights = scratch / ZOO[name].file
        with explained(url, f"You can download it elsewhere and import the file: python -m core models add FILE --name {name}"):
            fetch(url, weights, name, progress)
        check_file(weights, "segmenter")
        _compare(folder, weights, url)
        model = zoo_model(name)
        about = {"name": name, "kind": model.kind, "source": "zoo", "file": weights.name, "licence": model.licence, "summary": model.summary}
        describe(scratch, {**about, "simulated": False, "origin": url, "citation": ZOO[name].citation, "card_text": model.card})
    return read_model(folder)


def _address(name: str, base_url: str | None) -> str:
    base = base_url or os.environ.get(MIRROR, "").strip()
    url = f"{base.rstrip('/')}/{ZOO[name].file}" if base else ZOO[name].url
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise InputError(f"{url}: wanted an address that starts with https:// ({MIRROR}); a file is imported with 'python -m core models add FILE'.")
    return url


def fetch(url: str, target: Path, name: str, progress: Progress) -> None:
    """Stream ``url`` into the new file ``target``."""
    request = urllib.request.Request(url, headers={"User-Agent": "Senescope", "Accept-Encoding": "identity"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=_certificates()) as answer:
        if url.startswith("https:") and not answer.geturl().startswith("https:"):
            raise InputError(f"{url}: the server led to the unprotected address {answer.geturl()}; nothing was downloaded.")
        total = int(answer.headers.get("Content-Length") or 0)
        done = _copy(answer, target, total, name, progress)
    if total and done != total:
        raise InputError(f"{url}: the download was cut off after {done / MB:.1f} of {total / MB:.1f} MB. Try again.")


def _copy(answer: Any, target: Path, total: int, name: str, progress: Progress) -> int:
    done = 0
    progress(0.0, total / MB, name)
    with file_errors(target, "write"):
        file = target.open("xb")
    with file:
        while chunk := answer.read(CHUNK):
            done += len(chunk)
            if done > LARGEST:
                raise InputError(f"{name}: the file is larger than {LARGEST / MB:.0f} MB, so it is no model.")
            with file_errors(target, "write"):
                file.write(chunk)
            progress(done / MB, max(total, done) / MB, name)
    return done


@contextlib.contextmanager
def explained(url: str, other: str) -> Iterator[None]:
    """Say in one line why a download failed, and ``other``: what else can be done."""
    try:
        yield
    except urllib.error.HTTPError as error:
        raise InputError(f"{url}: the server answered {error.code} ({error.reason}). {other}") from error
    except urllib.error.URLError as error:
        reason = error.reason
        why = "it cannot be reached"
        if isinstance(reason, ssl.SSLError):
            why = "its certificate was not accepted" if isinstance(reason, ssl.SSLCertVerificationError) else "no protected connection could be made"
        raise InputError(f"{url}: {why} ({reason}). {other}") from error
    except (TimeoutError, ConnectionError, http.client.HTTPException, ssl.SSLError) as error:
        raise InputError(f"{url}: the connection broke ({type(error).__name__}). Try again. {other}") from error


def _certificates() -> ssl.SSLContext:
    """The system's certificates and, as Python on macOS comes without any, those of certifi where it is installed."""
    context = ssl.create_default_context()
    with contextlib.suppress(ImportError):
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def _compare(folder: Path, weights: Path, url: str) -> None:
    """A second download must give the file of the first."""
    try:
        recorded = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        source, wanted, day = recorded["source"], recorded["sha256"], recorded.get("added", "an earlier day")
    except (OSError, ValueError, KeyError, TypeError):
        return  # the first one
    found = sha256_of(weights)
    if source == "zoo" and found != wanted:
        raise InputError(
            f"{url}: gave another file (SHA-256 {found[:12]}...) than the one recorded on {day} ({wanted[:12]}...). "
            f"If a new version is wanted, delete {folder} and download again."
        )

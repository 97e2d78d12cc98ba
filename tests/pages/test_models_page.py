"""Models: cards, download as a job, import with a readable refusal."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from core.cells.zoo import ZOO
from core.classifier.network import build_network
from core.jobs import JobStore
from core.models import add_model, list_models
from core.models.library import EMBEDDED
from core.settings import EMBEDDED_CLASSIFIER

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]
Click = Callable[[AppTest, str], AppTest]
ZOO_NAME = next(name for name, zoo in ZOO.items() if not zoo.unsupported)


def test_every_model_is_listed(open_page: Open) -> None:
    assert set(open_page("models").dataframe[0].value["Model"]) == {m.name for m in list_models()}


def test_a_card_says_licence_and_source(open_page: Open, words: Words) -> None:
    shown = words(open_page("models", model=ZOO_NAME))
    assert ZOO[ZOO_NAME].licence in shown
    assert "Cellpose zoo" in shown


def test_a_download_is_a_job(open_page: Open, store: JobStore, click: Click) -> None:
    click(open_page("models", model=ZOO_NAME), "Download")
    [job] = store.active()
    assert (job.stage, job.params) == ("download", {"name": ZOO_NAME})


def test_a_failed_download_says_why(open_page: Open, store: JobStore, words: Words, click: Click) -> None:
    id = store.submit("download", {"name": ZOO_NAME}, "")
    store.begin(id)
    store.finish(id, "failed", error="the server cannot be reached")
    app = open_page("models", job=id)
    assert "the server cannot be reached" in words(app)
    click(app, "Close")
    assert "cannot be reached" not in words(app)


def test_a_file_that_is_no_model_is_refused_in_plain_words(open_page: Open, click: Click) -> None:
    app = open_page("models")
    app.file_uploader[0].upload("my model.pt", b"not a model").run()
    click(app, "Check and import")
    [told] = app.error
    assert told.value.startswith("my model.pt: wanted")
    assert not [m for m in list_models() if m.source == "library"]


def test_an_imported_model_is_listed_and_shown_at_once(open_page: Open, click: Click, words: Words) -> None:
    file = BytesIO()
    torch.save(build_network("efficientnet-b0", 64).half().state_dict(), file)
    app = open_page("models")
    app.session_state["models-tab"] = "Import from a file"
    app.run().file_uploader[0].upload("b0 plain.pth", file.getvalue()).run()
    app = click(app, "Check and import")
    assert "b0 plain is in the library." in words(app)
    assert "b0 plain" in set(app.dataframe[0].value["Model"])
    assert "b0 plain" in [one.value for one in app.subheader]
    assert app.session_state["models-tab"] == "Library"
    assert "is in the library" not in words(app.run())


@pytest.mark.parametrize("model", [f.name for f in EMBEDDED.iterdir() if f.is_dir()])
def test_embedded_models_can_be_verified(open_page: Open, model: str, words: Words, click: Click) -> None:
    app = click(open_page("models", model=model), "Verify")
    assert "exactly the one" in words(app)


def test_only_own_and_downloaded_models_can_be_removed(open_page: Open, click: Click, words: Words, tmp_path: Path) -> None:
    torch.save(build_network("efficientnet-b0", 64).half().state_dict(), tmp_path / "wrong.pth")
    add_model(tmp_path / "wrong.pth", name="wrong")
    app = click(open_page("models", model="wrong"), "Remove wrong")
    assert "wrong is removed" in words(app)
    assert "wrong" not in {m.name for m in list_models()}
    for name in (EMBEDDED_CLASSIFIER, ZOO_NAME):
        assert not [one for one in open_page("models", model=name).button if one.label.startswith("Remove")]

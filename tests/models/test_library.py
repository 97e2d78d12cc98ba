"""The library: names are exact, files are checked and copied whole, hashes are compared."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core import models
from core.cells.zoo import ZOO
from core.errors import InputError
from core.models import add_model, find_model, library, library_folder, list_models, verify_model


def test_empty_library_lists_the_zoo() -> None:
    names = [m.name for m in list_models("segmenter") if m.source == "zoo"]
    assert names == [n for n in ZOO if not ZOO[n].unsupported]
    assert all(m.path is None and m.licence and m.card for m in list_models() if m.source == "zoo")


def test_listing_needs_no_network_and_no_torch(workspace: Path) -> None:
    code = (
        "import sys, socket; socket.socket.connect = None; from core.models import list_models; assert list_models();"
        "assert not {'torch', 'cellpose', 'numba'} & set(sys.modules), 'heavy import'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(models.__file__).parents[2])


def test_import_a_segmenter(cpnet: Path, workspace: Path) -> None:
    model = add_model(cpnet)
    assert (model.name, model.kind, model.source) == ("my-cells", "segmenter", "library")
    assert model.path == workspace / "models" / "my-cells" / "weights.pt"
    assert model.path.read_bytes() == cpnet.read_bytes()
    about = json.loads((model.path.parent / "model.json").read_text(encoding="utf-8"))
    assert {"name", "kind", "summary", "licence", "source", "sha256", "file", "simulated", "card", "bytes", "origin", "added"} <= set(about)
    assert [p.name for p in library_folder().iterdir()] == ["my-cells"]
    assert find_model("my-cells", "segmenter") == model
    assert verify_model("my-cells") == []
    assert model in list_models()
    assert model.warning == ""
    assert model.card.splitlines()[0] == "# my-cells"


def test_import_twice_is_one(cpnet: Path) -> None:
    assert add_model(cpnet) == add_model(cpnet)
    assert len([m for m in list_models() if m.source == "library"]) == 1


def test_a_name_is_not_overwritten(cpnet: Path, state_dict: Path) -> None:
    add_model(cpnet, name="mine")
    with pytest.raises(InputError, match="already a model named mine"):
        add_model(state_dict, name="Mine")  # the same folder on Windows and macOS
    assert find_model("mine", "segmenter").kind == "segmenter"


def test_import_a_classifier_with_values(state_dict: Path) -> None:
    from core.classifier.checkpoint import load_checkpoint

    model = add_model(state_dict, mean=0.4, std=0.2, threshold=0.7)
    assert (model.name, model.kind) == ("b0_msc", "classifier")
    assert model.path is not None
    checkpoint = load_checkpoint(model.path)
    assert (checkpoint.mean, checkpoint.std, checkpoint.threshold) == (0.4, 0.2, 0.7)
    assert find_model("b0_msc", "classifier") == model


def test_simulated_is_carried(state_dict: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from core.classifier.checkpoint import load_checkpoint, save_checkpoint

    save_checkpoint(
        tmp_path / "sim.pt",
        replace(
            load_checkpoint(state_dict),
            simulated=True,
            card={"licence": "MIT", "data": "simulated", "learned_from": {"train": [{"experiment": "e", "sample": "MSC2"}]}},
        ),
    )
    model = add_model(tmp_path / "sim.pt")
    assert model.simulated
    assert "simulated cells" in model.warning
    assert model.licence == "MIT"
    assert "data: simulated" in model.card
    assert "learned from: cells of MSC2; best epoch and threshold chosen on no named culture" in model.card
    assert find_model(str(tmp_path / "sim.pt"), "classifier").simulated


@pytest.mark.parametrize(
    "values", [{"mean": 0.5}, {"std": 0.5}, {"mean": 0.5, "std": 0.0}, {"mean": float("nan"), "std": 1.0}, {"threshold": 1.5}, {"threshold": -0.1}]
)
def test_senseless_values(state_dict: Path, values: dict) -> None:
    with pytest.raises(InputError):
        add_model(state_dict, **values)
    assert not list(library_folder().glob("*"))


def test_values_are_for_classifiers(cpnet: Path) -> None:
    with pytest.raises(InputError, match="classifiers"):
        add_model(cpnet, mean=0.5, std=0.1)


def test_zoo_file_downloaded_elsewhere(cpnet: Path, tmp_path: Path) -> None:
    """Behind a firewall: the official file under its official name, or any name with --name."""
    official = tmp_path / "nucleitorch_0"
    official.write_bytes(cpnet.read_bytes())
    nuclei = add_model(official)
    assert (nuclei.name, nuclei.source, nuclei.path and nuclei.path.name) == ("nuclei", "library", "nucleitorch_0")
    assert add_model(cpnet, name="LC4").licence == ZOO["LC4"].licence
    assert find_model("LC4", "segmenter").path is not None
    assert [m.name for m in list_models()].count("LC4") == 1


@pytest.mark.parametrize("name", ["", "  ", ".", "..", "../out", "a/b", "a\\b", "C:\\x", "nul", "a\0b", "x" * 300, "-partial.partial"])
def test_unsafe_names(cpnet: Path, name: str, workspace: Path) -> None:
    with pytest.raises(InputError):
        add_model(cpnet, name=name)
    assert not list(workspace.glob("models/*"))


@pytest.mark.parametrize("stem", ["../../x", "æøå 细胞", "...", "a b"])
def test_names_from_files_are_made_safe(cpnet: Path, tmp_path: Path, stem: str) -> None:
    file = tmp_path / f"{Path(stem).name}.pt"
    file.write_bytes(cpnet.read_bytes())
    model = add_model(file)
    assert model.path is not None
    assert model.path.parent.parent == library_folder()
    assert " " not in model.name


def test_names_that_are_taken(cpnet: Path, state_dict: Path) -> None:
    for name in ("transformer_cp3", "Cyto3"):
        with pytest.raises(InputError, match="belongs to"):
            add_model(cpnet, name=name)
    with pytest.raises(InputError, match="belongs to"):
        add_model(state_dict, name="cyto3")


def test_bad_files_leave_nothing(tmp_path: Path, cpnet: Path) -> None:
    html, cut = tmp_path / "page.pt", tmp_path / "cut.pt"
    html.write_text("<!doctype html>", encoding="utf-8")
    cut.write_bytes(cpnet.read_bytes()[:100_000])
    for bad in (html, cut, tmp_path / "none.pt", tmp_path):
        with pytest.raises(InputError) as caught:
            add_model(bad)
        assert str(bad) in str(caught.value)
    assert not list(library_folder().glob("*"))


def test_wrong_kind(cpnet: Path, state_dict: Path) -> None:
    with pytest.raises(InputError, match="Cellpose 3"):
        add_model(state_dict, kind="segmenter")
    with pytest.raises(InputError):
        add_model(cpnet, kind="classifier")
    with pytest.raises(InputError, match="kind"):
        add_model(cpnet, kind="painter")
    add_model(cpnet, name="mine")
    with pytest.raises(InputError, match="mine is a segmenter; wanted a classifier"):
        find_model("mine", "classifier")
    with pytest.raises(InputError, match="cyto3 is a segmenter"):
        find_model("cyto3", "classifier")


def test_unknown_names_are_never_replaced() -> None:
    for name, near in (("cyto33", "cyto3"), ("lc4", "LC4"), ("livecell", "livecell_cp3")):
        with pytest.raises(InputError, match=f"Did you mean .*{near}"):
            find_model(name, "segmenter")
    with pytest.raises(InputError, match="There is no segmenter named ''"):
        find_model("", "segmenter")
    with pytest.raises(InputError, match="no such file"):
        find_model("/nowhere/model.pt", "segmenter")
    with pytest.raises(InputError, match="models download LC4"):
        find_model("LC4", "segmenter")
    with pytest.raises(InputError, match="transformer"):
        find_model("transformer_cp3", "segmenter")


def test_a_file_is_a_model(cpnet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = find_model(str(cpnet), "segmenter")
    assert (model.source, model.path) == ("file", cpnet)
    assert len(model.sha256) == 64
    monkeypatch.chdir(cpnet.parent)
    assert find_model(cpnet.name, "segmenter").path == cpnet
    with pytest.raises(InputError):
        find_model(str(cpnet), "classifier")


def test_changed_and_lost_weights_are_seen(cpnet: Path) -> None:
    model = add_model(cpnet, name="mine")
    assert model.path is not None
    data = bytearray(model.path.read_bytes())
    data[-1] ^= 1
    model.path.write_bytes(data)
    with pytest.raises(InputError, match="changed since they were recorded"):
        find_model("mine", "segmenter")
    assert "changed" in verify_model("mine")[0]
    model.path.unlink()
    assert "missing" in verify_model("mine")[0]
    with pytest.raises(InputError, match="missing"):
        find_model("mine", "segmenter")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"kind": "segmenter", "source": "library", "sha256": "0", "file": "../../x"}'])
def test_damaged_descriptions(cpnet: Path, text: str) -> None:
    """A broken folder is reported by verify, and does not take the list down with it."""
    model = add_model(cpnet, name="mine")
    assert model.path is not None
    (model.path.parent / "model.json").write_text(text, encoding="utf-8")
    assert "mine" not in [m.name for m in list_models()]
    assert len(verify_model("mine")) == 1


def test_verify_names() -> None:
    assert verify_model("LC1") == ["LC1 is not downloaded."]
    with pytest.raises(InputError, match="Did you mean"):
        verify_model("LC11")


def test_left_overs_of_killed_imports_are_swept(cpnet: Path) -> None:
    import os

    for name, age in ((".old.part", 90_000), (".new.part", 10)):
        folder = library_folder() / name
        folder.mkdir(parents=True)
        os.utime(folder, (folder.stat().st_mtime - age,) * 2)
    add_model(cpnet, name="mine")
    assert sorted(p.name for p in library_folder().iterdir()) == [".new.part", "mine"]
    assert "mine" in [m.name for m in list_models()]


def test_record_is_plain(cpnet: Path) -> None:
    record = add_model(cpnet).record()
    assert json.loads(json.dumps(record)) == record
    assert record["file"] == "weights.pt"


@pytest.mark.skipif(not any(library.EMBEDDED.glob("*/model.json")), reason="no embedded models in this checkout")
def test_embedded_models_are_whole() -> None:
    embedded = [m for m in list_models() if m.source == "embedded"]
    for model in embedded:
        assert verify_model(model.name) == []
        assert model.licence
        assert len(model.card) > 200
        assert find_model(model.name, model.kind) == model

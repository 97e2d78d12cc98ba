"""Models taken out of the library: no longer offered, their files kept."""

from pathlib import Path

import pytest

from core.__main__ import main
from core.errors import InputError
from core.models import add_model, find_model, list_models, remove_model
from core.models.model import sha256_of


def test_it_is_no_longer_offered_and_its_files_are_kept(state_dict: Path, workspace: Path) -> None:
    model = add_model(state_dict, name="wrong one")
    place = remove_model("wrong one")
    assert place.parent == workspace / "models" / ".removed"
    assert sha256_of(place / "weights.pt") == model.sha256
    assert "wrong one" not in [one.name for one in list_models()]
    with pytest.raises(InputError, match="wrong one"):
        find_model("wrong one", "classifier")


def test_its_name_is_free_and_its_folder_can_come_back(state_dict: Path, cpnet: Path, workspace: Path) -> None:
    add_model(state_dict, name="mine")
    first = remove_model("mine")
    add_model(cpnet, name="mine")
    remove_model("mine")
    first.rename(workspace / "models" / "mine")
    assert find_model("mine", "classifier").name == "mine"


def test_a_model_with_a_damaged_description_can_be_removed(state_dict: Path, workspace: Path) -> None:
    add_model(state_dict, name="damaged")
    (workspace / "models" / "damaged" / "model.json").write_text("{", encoding="utf-8")
    assert remove_model("damaged").is_dir()


@pytest.mark.parametrize("name", ["nobody", "LC1", "", "..", ".removed", "."])
def test_what_is_not_in_the_library_is_refused(name: str, state_dict: Path) -> None:
    add_model(state_dict, name="mine")
    with pytest.raises(InputError, match=r"could be removed. Imported or downloaded: mine\."):
        remove_model(name)


def test_what_comes_with_the_app_stays() -> None:
    for model in list_models():
        if model.source == "embedded":
            with pytest.raises(InputError, match="comes with the app"):
                remove_model(model.name)


def test_the_command_line(state_dict: Path, workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_model(state_dict, name="mine")
    assert main(["models", "remove", "mine"]) == 0
    assert Path(capsys.readouterr().out.strip()).parent == workspace / "models" / ".removed"
    assert main(["models", "remove", "mine"]) != 0

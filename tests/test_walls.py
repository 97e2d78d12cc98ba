"""The walls of the house: who may import whom, read from the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("images", "cells", "stain", "dataset", "classifier", "statistics", "report", "simulate", "registration")
SHARED = {"core.errors", "core.progress", "core.tables", "core.settings", "core.memory", "core.inference", "core.exported"}


def imports(file: Path) -> set[str]:
    """Full names of the modules that a file imports, also inside functions; relative imports are resolved."""
    found: set[str] = set()
    package = file.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(p for p in (base, node.module) if p)
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names if (ROOT / module.replace(".", "/") / f"{alias.name}.py").is_file()}
    return found


def sources(folder: str) -> list[Path]:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files or folder == "core/stain", f"{folder} holds no Python files"
    return files


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_do_not_know_each_other(room: str) -> None:
    for file in sources(f"core/{room}"):
        for name in imports(file):
            allowed = not name.startswith("core.") or name in SHARED or name == "core" or name.startswith(f"core.{room}")
            assert allowed, f"{file.relative_to(ROOT)} imports {name}"


def test_core_imports_no_streamlit() -> None:
    for file in sources("core"):
        assert not any(n.split(".")[0] == "streamlit" for n in imports(file)), file


def test_cellpose_is_imported_in_one_room() -> None:
    for file in sources("core"):
        if any(n.split(".")[0] == "cellpose" for n in imports(file)):
            assert file.parent.name in ("cells", "recipes"), file


def test_outlining_imports_no_module_that_compiles_as_it_is_imported() -> None:
    slow = {f"cellpose.{name}" for name in ("dynamics", "io", "metrics", "models", "plot", "utils")}
    for name in ("segmentation", "engines", "tiles", "dynamics", "diameter", "labels", "weights"):
        used = imports(ROOT / f"core/cells/{name}.py")
        assert not used & (slow | {"cellpose"}), f"{name} imports {used & (slow | {'cellpose'})}"


def test_torch_is_imported_where_networks_are() -> None:
    for file in sources("core"):
        if any(n.split(".")[0] == "torch" for n in imports(file)):
            assert file.parent.name in ("cells", "classifier", "recipes", "jobs") or file.name in ("inference.py", "exported.py"), file


def test_only_stages_and_above_carry_data_between_rooms() -> None:
    for folder in ("core/workspace", "core/jobs"):
        for file in sources(folder):
            crossed = {n for n in imports(file) for r in ROOMS if n.startswith(f"core.{r}")}
            assert not crossed, f"{file.relative_to(ROOT)} imports {crossed}"


def test_pages_hold_no_numerics() -> None:
    for file in sorted((ROOT / "pages").glob("*.py")):
        used = {n.split(".")[0] for n in imports(file)}
        assert not used & {"numpy", "torch", "cellpose", "skimage", "scipy", "cv2"}, f"{file.name} imports {used}"


def test_the_app_starts_without_the_heavy_libraries() -> None:
    code = "import sys, app; print([m for m in ('torch', 'cellpose', 'numba', 'cv2', 'skimage', 'efficientnet_pytorch') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown.strip().splitlines()[-1] == "[]"

"""A worker process whose stages do what tests need: ``python worker_with_test_stages.py JOBS.SQLITE ID``."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.errors import InputError
from core.jobs.worker import main
from core.progress import Progress


def steps(params: dict[str, Any], progress: Progress) -> str:
    """Some steps; a file says which were done, so that a second run continues."""
    folder = Path(params["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    for step in range(params["steps"]):
        mark = folder / f"step{step}"
        if not mark.exists():
            time.sleep(params.get("each", 0.02))
            with (folder / "order.txt").open("a", encoding="utf-8") as file:
                file.write(f"{params.get('name', '')}{step}\n")
            mark.touch()
        progress(step + 1, params["steps"], f"felt {step + 1} æøå")
    return str(folder)


def deaf(params: dict[str, Any], progress: Progress) -> str:
    """Never reports, and has a child: only a kill of the tree ends it."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    Path(params["pid_file"]).write_text(str(child.pid), encoding="ascii")
    progress(0, 1, "child started")
    time.sleep(120)
    return ""


def refuse(params: dict[str, Any], progress: Progress) -> str:
    raise InputError("billede.tif: wanted an image, found text.")


def defect(params: dict[str, Any], progress: Progress) -> str:
    raise KeyError("a column")


def vanish(params: dict[str, Any], progress: Progress) -> str:
    os._exit(params["code"])


STAGES = {"steps": steps, "deaf": deaf, "refuse": refuse, "defect": defect, "vanish": vanish}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], STAGES))

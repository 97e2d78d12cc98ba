"""Writing what the model library reads beside the weights of an embedded model."""

import hashlib
import json
from pathlib import Path
from typing import Any


def write_description(out: Path, kind: str, summary: str, card: str, scores: dict[str, Any], *, simulated: bool) -> None:
    """Write card.md for people and model.json for the model library; ``out`` holds the finished weights.pt and names the model."""
    (out / "card.md").write_text(card, encoding="utf-8", newline="\n")
    model = {
        "name": out.name,
        "kind": kind,
        "summary": summary,
        "licence": "BSD-3-Clause",
        "source": "embedded",
        "file": "weights.pt",
        "sha256": hashlib.sha256((out / "weights.pt").read_bytes()).hexdigest(),
        "card": "card.md",
        "simulated": simulated,
        "scores": scores,
    }
    (out / "model.json").write_text(json.dumps(model, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")

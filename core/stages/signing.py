"""Sign-offs of an assessment and the acceptance limits of the laboratory: logs that are only added to and show when they were changed.

``EXP/signoffs/<assessment>.jsonl`` stands beside the assessment, which stays as it is; ``<workspace>/laboratory/acceptance.jsonl`` holds every
version of the limits. Every entry carries the hash of the one before it (``core.workspace.AuditLog``).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Final

import pandas as pd

from core.errors import InputError
from core.options import settings_from
from core.report import csv_bytes
from core.settings import AcceptanceLimits
from core.stages.assessed import open_assessment
from core.statistics.acceptance import checked_limits, verdict_table
from core.tables import LIMITS, SIGNOFF_DECISIONS, SIGNOFFS, typed
from core.workspace import AuditLog, Experiment, JsonLines, Product, checked_name, file_errors, head, workspace_root

SIGNED: Final = ("samples.csv", "fields.csv", "cells.csv", "settings.json")
NEEDS_COMMENT: Final = ("approved with remarks", "rejected")


def limits_log() -> AuditLog:
    """All versions of the laboratory's limits."""
    folder = workspace_root() / "laboratory"
    return AuditLog(JsonLines(folder / "acceptance.jsonl", folder / ".acceptance.lock", "version of the limits"))


def limits_history() -> pd.DataFrame:
    """``tables.LIMITS``, oldest first; ``number`` is the version."""
    return typed(pd.DataFrame(limits_log().entries(), columns=list(LIMITS)), LIMITS, "acceptance limits")


def current_limits() -> tuple[AcceptanceLimits | None, int | None]:
    """The limits that hold now, and their version; (None, None) before anybody saved some."""
    known = versions_of_limits()
    return (known[-1][0], int(known[-1][1]["number"])) if known else (None, None)


def versions_of_limits() -> list[tuple[AcceptanceLimits, dict[str, Any]]]:
    """Every version of the limits with its entry in the log, oldest first."""
    names = {one.name for one in fields(AcceptanceLimits)}
    return [(settings_from(AcceptanceLimits, {key: value for key, value in entry.items() if key in names}), entry) for entry in limits_log().entries()]


def save_limits(limits: AcceptanceLimits, name: str, comment: str = "") -> dict[str, Any]:
    """Add a version of the limits. InputError for limits that make no sense together, no name, or a log that somebody changed."""
    checked_limits(settings_from(AcceptanceLimits, asdict(limits)))
    return limits_log().add({"name": _person(name), "comment": _plain(comment), **asdict(limits)})


def change_limits(changes: Mapping[str, Any], name: str, comment: str = "") -> dict[str, Any]:
    """Add a version in which only ``changes`` (names of AcceptanceLimits) differ from the one that holds now. Errors as ``save_limits``."""
    now = current_limits()[0] or AcceptanceLimits()
    return save_limits(settings_from(AcceptanceLimits, {**asdict(now), **changes}), name, comment)


def signoff_log(experiment: Experiment, assessment: str) -> AuditLog:
    name = checked_name(assessment, "assessment")
    return AuditLog(JsonLines(experiment.path / "signoffs" / f"{name}.jsonl", experiment.path / ".locks" / f"signoffs-{name}.lock", "sign-off"))


def signoffs(experiment: Experiment, assessment: str) -> pd.DataFrame:
    """``tables.SIGNOFFS``, oldest first."""
    return typed(pd.DataFrame(signoff_log(experiment, assessment).entries(), columns=list(SIGNOFFS)), SIGNOFFS, "sign-offs")


def reports_of(experiment: Experiment, assessment: str) -> list[Product]:
    """Reports that were made of an assessment, newest first."""
    return [one for one in experiment.products("reports") if _upstream(one) == assessment]


def _upstream(report: Product) -> str:
    try:
        return str((report.settings.get("upstream") or {}).get("assessment", ""))
    except InputError:  # a damaged record
        return ""


def sign(experiment: Experiment, assessment: str, name: str, role: str, decision: str, comment: str = "", report: str = "") -> dict[str, Any]:
    """Add a decision of a person on an assessment, as ``report`` (an id, or "": its own) shows it; it is on the disk when this returns.

    The assessment itself stays as it is. The entry holds the hash of the tables, the verdicts and the version of the limits of now.

    Raises
    ------
    InputError
        No name or role, an unknown decision, a rejection or remarks without a comment, nothing to withdraw, or a log that somebody changed.
    """
    product = experiment.product("assessments", assessment)
    shown = experiment.product("reports", report) if report else product
    said = {"name": _person(name), "role": _plain(role), "decision": decision, "comment": _plain(comment), "assessment": assessment, "report": report}
    if not said["role"]:
        raise InputError("Sign-off: wanted a role (for example: scientist, laboratory head, QA), found none.")
    if decision not in SIGNOFF_DECISIONS:
        raise InputError(f"Sign-off: wanted one of {', '.join(SIGNOFF_DECISIONS)}, found {decision!r}.")
    if decision in NEEDS_COMMENT and not said["comment"]:
        raise InputError(f"Sign-off: wanted a comment that says why it is {decision}, found none.")
    if decision == "withdrawn" and said["name"] not in set(standing(signoffs(experiment, assessment))["name"]):
        raise InputError(f"Sign-off: {said['name']} has nothing to withdraw here.")
    limits, version = current_limits()
    assessed = open_assessment(experiment, shown)
    found = verdict_table(assessed.samples, limits, version, assessed.simulated)
    words = "; ".join(f"{row['sample']}: {row['verdict']}" for row in found.to_dict("records") if row["verdict"])
    return signoff_log(experiment, assessment).add({**said, "content": content_hash(product, shown), "verdicts": words, "limits_version": version})


def standing(table: pd.DataFrame) -> pd.DataFrame:
    """The last decision of every person (``tables.SIGNOFFS``); what was withdrawn is left out."""
    last = table.drop_duplicates("name", keep="last")
    return last[last["decision"] != "withdrawn"].reset_index(drop=True)


def problems(experiment: Experiment, assessment: str) -> list[str]:
    """What shows that the log, or what was signed, is not as it was; [] where all is well."""
    log = signoff_log(experiment, assessment)
    found = log.problems(noted for one in reports_of(experiment, assessment) if (noted := (one.settings.get("inputs") or {}).get("signoffs")))
    return found + [
        f"The files that {row['name']} signed (entry {row['number']}) are not the ones that lie there now."
        for row in signoffs(experiment, assessment).to_dict("records")
        if row["content"] != _content_now(experiment, row)
    ]


def _content_now(experiment: Experiment, row: dict[str, Any]) -> str:
    try:
        product = experiment.product("assessments", row["assessment"])
        return content_hash(product, experiment.product("reports", row["report"]) if row["report"] else product)
    except InputError:  # it is gone
        return ""


def content_hash(*products: Product) -> str:
    """SHA-256 over the tables and records of products: what a signature stands for."""
    digest = hashlib.sha256()
    for product in dict.fromkeys(products):
        for name in SIGNED:
            with file_errors(product.path / name, "read"):
                content = (product.path / name).read_bytes()
            digest.update(f"{product.kind}/{product.id}/{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def logs_to_export(experiment: Experiment, assessment: str, decimal_comma: bool = False) -> dict[str, bytes]:
    """The sign-offs and limits as files for a ZIP: as tables, in the CSV form of the tables beside them, and as they lie on the disk."""
    log, limits = signoff_log(experiment, assessment), limits_log()
    tables = {"signoffs": signoffs(experiment, assessment), "acceptance_limits": limits_history()}
    out = {f"{name}.csv": csv_bytes(table, decimal_comma) for name, table in tables.items()}
    kept = {"signoffs.jsonl": log.file, "acceptance_limits.jsonl": limits.file}
    return out | {name: b"".join(line + b"\n" for line in file.lines()) for name, file in kept.items() if file.path.is_file()}


def head_of(experiment: Experiment, assessment: str) -> str:
    """Hash of the last sign-off, for reports to note."""
    return head(signoff_log(experiment, assessment).entries())


def _person(name: str) -> str:
    if not _plain(name):
        raise InputError("Sign-off: wanted the name of a person, found none.")
    return _plain(name)


def _plain(text: str) -> str:
    return " ".join(text.split())

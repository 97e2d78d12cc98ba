"""What came after a report was made, and so is on the page but not in its files."""

from core.stages.assessed import Assessed
from core.stages.signing import current_limits, head_of
from core.workspace import head


def newer_words(assessment: str, shown: Assessed) -> str:
    """Which of limits and sign-offs are newer than the files of ``shown``, and what to do; "" where none is.

    Verdicts on the page are by the limits of now; a finished assessment or report never changes, so its files keep those of then.

    Parameters
    ----------
    assessment : str
        Id of the assessment that is signed.
    shown : Assessed
        The assessment itself, or a report of it.
    """
    inputs = shown.about.get("inputs")
    inputs = inputs if isinstance(inputs, dict) else {}  # those of a report; an assessment keeps its fields there
    version = current_limits()[1]
    by = {inputs["limits_version"]} if "limits_version" in inputs else set(shown.samples["limits_version"].dropna())
    newer = ["acceptance limits"] if version is not None and version not in by else []
    if head_of(shown.experiment, assessment) != inputs.get("signoffs", head([])):  # nobody can sign an assessment before it is made
        newer.append("sign-offs")
    if not newer:
        return ""
    said = " and ".join(newer).capitalize()
    return f"{said} are newer than the report and the tables offered here, which do not have them. Make a new report (tab “Report”) to take them in."

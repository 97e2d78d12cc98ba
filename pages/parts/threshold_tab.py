"""The tab where the threshold is set: pictures, sliders, numbers, saving."""

from dataclasses import asdict
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import InputError
from core.report.words import count
from core.settings import AnnotateSettings
from core.stages.stained import Stain, open_stain
from core.workspace import Experiment, Product
from pages.parts import address
from pages.parts.job_panel import submit
from pages.parts.threshold_choice import choose_fields, choose_measurement, in_um2, measurement_of, spots_of
from pages.parts.threshold_measure import measure, prepare
from pages.parts.threshold_tuning import STAINED, Setting, annotate_settings, proposals, setting_of, stained_tile, told_setting, tuning
from pages.parts.viewer import Tile, cell_viewer, told


@st.fragment
def threshold_tab(experiment: Experiment, busy: bool) -> None:
    """Measure the stain, or tune the threshold of what was measured."""
    above = st.container(horizontal=True, vertical_alignment="center")
    with above:
        product = choose_measurement(experiment)
    if product is None:
        prepare(experiment, busy)
    else:
        _tune(experiment, product, busy, above)


def _tune(experiment: Experiment, product: Product, busy: bool, above: DeltaGenerator) -> None:
    """The viewer with its controls. Sliders act in the browser; this runs when one comes to rest."""
    try:
        stain = open_stain(experiment, product.id)
        if stain.fields.empty:
            st.warning("None of the measured fields is in the field table any more. Measure the stain again.", icon=":material/warning:")
            return
        key = f"threshold-{measurement_of(product)}"
        setting = _heard(experiment, stain, key, busy)
        with above:
            shown, least = choose_fields(stain.fields, key)
            _remarks(stain)
        tiles = _tiles(stain, shown)
        message = tuning(stain, setting, proposals(stain, setting.part, setting.allowed), spots_of(experiment, product, stain.fields), busy)
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
        return
    cell_viewer(tiles, key=key, legend=STAINED, tuning=message | {"least": least})


def _tiles(stain: Stain, shown: list[str]) -> list[Tile]:
    tiles, problems = [], []
    for fov_id in shown:
        try:
            tiles.append(stained_tile(stain, fov_id))
        except InputError as problem:  # one bad field does not stop the others
            problems.append(str(problem))
    if problems:
        st.warning("\n".join(f"- {one}" for one in problems), icon=":material/warning:")
    return tiles


def _remarks(stain: Stain) -> None:
    """What was left out, and alignments to look at."""
    missing, warned = stain.failures, stain.fields[stain.fields["warnings"] != ""]
    doubtful = stain.fields[stain.fields["verdict"] == "check"]
    if not len(missing) + len(warned) + len(doubtful):
        return
    parts = [f"{count(len(missing), 'field')} left out"] if len(missing) else []
    parts += [count(len(warned) + len(doubtful), "warning")] if len(warned) + len(doubtful) else []
    with st.popover(", ".join(parts), icon=":material/warning:"):
        lines = [f"- **{row['fov_id']}** is left out: {row['error']}" for row in missing.to_dict("records")]
        lines += [f"- **{row['fov_id']}**: {row['warnings']}" for row in warned.to_dict("records")]
        lines += [f"- **{name}**: look at its alignment in the tab Align." for name in doubtful["fov_id"]]
        st.markdown("\n".join(lines))


def _heard(experiment: Experiment, stain: Stain, key: str, busy: bool) -> Setting:
    """Where the sliders stand; what the browser told in this run is kept in the address, carried out, or saved."""
    memory = f"{key}-setting"
    setting = setting_of(address.read("threshold"), address.read("part"), st.session_state.get(memory) or _last_saved(experiment, stain))
    for what in ("tuned", "saved"):
        message = told(key, what)
        if not message or message["at"] <= st.session_state.get(f"{key}-at", 0):
            continue
        st.session_state[f"{key}-at"] = message["at"]
        setting = told_setting(message, setting)
        st.session_state[memory] = setting
        address.write(threshold=setting.text, part=str(setting.part), stain=stain.id)
        if what == "saved" and not busy:
            _save(experiment, stain, setting)
        elif message.get("spot") and not busy:
            _other_spot(experiment, stain, str(message["spot"]))
    return setting


def _last_saved(experiment: Experiment, stain: Stain) -> Setting:
    """The setting of the newest annotation of this signal; without one, what is proposed."""
    group = measurement_of(stain.product)
    siblings = {one.id for one in experiment.products("stains") if measurement_of(one) == group}
    for one in experiment.products("annotations"):
        try:
            record = one.settings
            kept = record["settings"]
            if record["upstream"].get("stain") in siblings:
                part = round(100 * kept["min_fraction"])
                return Setting(kept["threshold_used"], part, kept.get("threshold_by_line") or {}, 100 * kept["control_positive"], kept["marker"])
        except (InputError, KeyError):  # a damaged record, or an imported annotation
            continue
    return Setting()


def _other_spot(experiment: Experiment, stain: Stain, key: str) -> None:
    spots, _ = spots_of(experiment, stain.product, stain.fields)
    spot = next((one for one in spots if one.key == key), None)
    if spot is None:
        return
    if spot.product:
        address.write(stain=spot.product)
    else:
        size: dict[str, Any] = {"min_spot_um2": spot.value} if in_um2(stain.settings) else {"min_spot_px": int(spot.value)}
        settings = asdict(AnnotateSettings(**{**stain.settings, **size}))
        measure(experiment, settings, stain.segmentation.id, stain.record["upstream"].get("registration"))
    st.rerun()


def _save(experiment: Experiment, stain: Stain, setting: Setting) -> None:
    settings = annotate_settings(stain, setting, proposals(stain, setting.part, setting.allowed)[0])
    submit("annotate", {"experiment": str(experiment.path), "settings": asdict(settings), "stain": stain.id}, str(experiment.path))
    st.rerun()

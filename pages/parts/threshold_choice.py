"""What the threshold page shows: which stain measurement, with which spot size, and which fields of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import InputError
from core.report.words import count
from core.workspace import Experiment, Product, fingerprint
from pages.parts import address
from pages.parts.choose import NEW, choose
from pages.parts.words import known, when

MOST_FIELDS, USUAL_FIELDS = 24, 12
SPOTS_PX = (1, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500)
SPOTS_UM2 = (1, 2, 5, 8, 10, 15, 20, 30, 50, 75, 100, 150, 200)
SIZES = {"Small": "9rem", "Medium": "12rem", "Large": "22rem"}


@dataclass(frozen=True)
class Spot:
    """A smallest spot on offer; ``product``: the measurement with it, where there is one."""

    key: str
    words: str
    value: float
    product: str = ""


def measurement_of(product: Product) -> str:
    """The same text for measurements of the same signal, which differ in their spot size only; "" for a damaged record."""
    try:
        record = product.settings
        signals = {fov_id: keys["signal"] for fov_id, keys in record["inputs"]["fields"].items()}
        rest = {name: value for name, value in record["settings"].items() if not name.startswith("min_spot")}
        return fingerprint({"signals": signals, "settings": rest, "um2": in_um2(record["settings"]), "upstream": record["upstream"]})
    except (InputError, KeyError, TypeError, AttributeError):
        return ""


def in_um2(settings: Any) -> bool:
    return "min_spot_um2" in settings


def choose_measurement(experiment: Experiment) -> Product | None:
    """The stain measurement of the address, else the newest; None for a new one. Spot sizes are chosen with their slider."""
    products = {one.id: one for one in experiment.products("stains") if measurement_of(one)}
    if not products:
        return None
    if address.read("stain") not in (NEW, *products):  # a threshold belongs to one measurement
        address.write(stain=next(iter(products)), threshold=None, part=None)
    now = address.read("stain")
    newest: dict[str, str] = {}
    for one in products.values():
        newest.setdefault(measurement_of(one), one.id)
    if now != NEW:
        newest[measurement_of(products[now])] = now
    if len(newest) == 1 and now != NEW:
        st.caption(_words(products[now]), width="stretch")
        st.button("Measure with other settings", on_click=address.write, kwargs={"stain": NEW, "like": now})
        return products[now]
    chosen = choose("Stain measurement", [NEW, *newest.values()], "stain", lambda one: "New measurement …" if one == NEW else _words(products[one]), NEW)
    return products.get(chosen)


def _words(product: Product) -> str:
    settings = product.settings["settings"]
    return f"{settings['signal']} · {count(len(product.settings['inputs']['fields']), 'field')} · aligned: {settings['register']} · {when(product.created)}"


def spots_of(experiment: Experiment, product: Product, fields: pd.DataFrame) -> tuple[list[Spot], str]:
    """The spot sizes on offer, rising, and the key of the one that ``product`` has."""
    wide = in_um2(product.settings["settings"])
    name, unit = ("min_spot_um2", "um2") if wide else ("min_spot_px", "px")
    group = measurement_of(product)
    measured = {float(one.settings["settings"][name]): one.id for one in reversed(experiment.products("stains")) if measurement_of(one) == group}
    now = float(product.settings["settings"][name])
    measured[now] = product.id
    sizes = fields["pixel_size_um"].dropna().unique()
    um = float(sizes[0]) if len(sizes) == 1 and fields["pixel_size_um"].notna().all() else None
    values = sorted({*map(float, SPOTS_UM2 if wide else SPOTS_PX), *measured})
    return [Spot(f"{value:g}{unit}", _spot_words(value, um, wide), value, measured.get(value, "")) for value in values], f"{now:g}{unit}"


def _spot_words(value: float, um: float | None, wide: bool) -> str:
    if wide:
        return f"{value:g} µm²" + (f" ({max(1, round(value / um**2))} px)" if um else "")
    return f"{value:g} px" + (f" ({value * um**2:.3g} µm²)" if um else "")


def spread(fields: pd.DataFrame, many: int) -> list[str]:
    """``many`` fields, in turn from every line, so that all lines and the negative controls are seen; in the order of the table."""
    place = fields.groupby("sample", sort=False).cumcount()
    first = place.sort_values(kind="stable").index[:many]
    return fields.loc[sorted(first), "fov_id"].astype(str).to_list()


def choose_fields(fields: pd.DataFrame, key: str) -> tuple[list[str], str]:
    """The fields to show side by side, at most ``MOST_FIELDS``, and the least width of a picture. Numbers are always of all fields."""
    with st.popover(f"Fields shown ({count(len(fields), 'field')} measured)", icon=":material/grid_view:"):
        lines = st.multiselect("Lines", _of(fields, "sample"), key=f"{key}-lines", persist_state="page", placeholder="All lines")
        roles = st.multiselect("Roles", _of(fields, "role"), key=f"{key}-roles", persist_state="page", placeholder="All, with negative controls")
        kept = fields[(fields["sample"].isin(lines) if lines else True) & (fields["role"].isin(roles) if roles else True)] if lines or roles else fields
        names = st.multiselect(
            "Fields", kept["fov_id"].to_list(), key=f"{key}-names", persist_state="page", placeholder="Spread over the lines", max_selections=MOST_FIELDS
        )
        many = st.slider("How many", 1, MOST_FIELDS, USUAL_FIELDS, key=f"{key}-many", persist_state="page", disabled=bool(names))
        size = st.segmented_control("Pictures", list(SIZES), default="Medium", required=True, key=f"{key}-size", persist_state="page")
        st.caption("Percentages and curves are always of all fields of the measurement.")
    shown = kept.loc[kept["fov_id"].isin(names), "fov_id"].to_list() if names else spread(kept, many)
    return shown, SIZES[str(size)]


def _of(fields: pd.DataFrame, column: str) -> Sequence[str]:
    return [str(one) for one in dict.fromkeys(fields[column]) if known(one) and one != ""]

"""Settings dataclasses as command-line options, and back: the page shows the very command that does the same."""

import argparse
import shlex
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, asdict, fields
from pathlib import Path
from typing import Any, TypeVar, cast

from core.errors import InputError

S = TypeVar("S")


def option_name(field: "Field[Any]", renamed: Mapping[str, str] | None = None) -> str:
    """``--name`` of a setting: as in ``renamed``, else as its metadata say, else its own name."""
    name = (renamed or {}).get(field.name) or field.metadata.get("option") or field.name
    return "--" + name.replace("_", "-")


def add_options(parser: argparse.ArgumentParser, settings: type, renamed: Mapping[str, str] | None = None, only_given: bool = False) -> None:
    """Add one option for every field of the dataclass ``settings``; the default is the dataclass's own.

    ``only_given``: an option that is left out leaves nothing in the namespace, so that ``picked`` holds what was said.
    """
    for field in fields(settings):
        if field.default is MISSING:
            continue
        words = " ".join(t for t in (field.metadata.get("label", ""), field.metadata.get("help", "")) if t)
        shown = f"{words} (default: {'as it is, at first ' if only_given else ''}{field.default})".replace("%", "%%")
        default = argparse.SUPPRESS if only_given else field.default
        if isinstance(field.default, bool):
            parser.add_argument(option_name(field, renamed), dest=field.name, action=argparse.BooleanOptionalAction, default=default, help=shown)
        else:
            parser.add_argument(
                option_name(field, renamed),
                dest=field.name,
                type=type(field.default),
                default=default,
                help=shown,
                metavar=type(field.default).__name__.upper(),
            )


def settings_from(settings: Callable[..., S], values: Mapping[str, Any]) -> S:
    """Build ``settings`` from ``values`` (names it does not know are an error) and check bounds.

    Raises
    ------
    InputError
        An unknown name, a value of the wrong type, or outside its bounds.
    """
    known = {f.name: f for f in fields(cast(Any, settings))}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InputError(f"{getattr(settings, '__name__', settings)} has no setting {', '.join(unknown)}; it has {', '.join(known)}.")
    return settings(**{name: _checked(known[name], value) for name, value in values.items()})


def _checked(field: "Field[Any]", value: Any) -> Any:
    kind: Callable[[Any], Any] = type(field.default)
    label = field.metadata.get("label", field.name)
    try:
        value = kind(value) if not isinstance(value, bool) or kind is bool else value
    except (TypeError, ValueError):
        raise InputError(f"{label}: wanted {kind.__name__}, found {value!r}.") from None
    low, high = field.metadata.get("low"), field.metadata.get("high")
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        raise InputError(f"{label}: wanted a value from {low:g} to {high:g}, found {value:g}.")
    return value


def picked(settings: type, namespace: argparse.Namespace) -> dict[str, Any]:
    """The values of ``namespace`` that belong to ``settings``."""
    return {f.name: getattr(namespace, f.name) for f in fields(settings) if hasattr(namespace, f.name)}


def command(stage: str, experiment: Path | str, *settings: Any, renamed: Mapping[str, str] | None = None, **extra: Any) -> str:
    """The command that does the same: only what differs from the defaults is written out."""
    words = ["python", "-m", "core", stage, str(experiment)]
    for one in settings:
        for field in fields(one):
            value = asdict(one)[field.name]
            if value == field.default:
                continue
            if isinstance(value, bool):
                words.append(option_name(field, renamed) if value else option_name(field, renamed).replace("--", "--no-", 1))
            else:
                words += [option_name(field, renamed), str(value)]
    for name, value in extra.items():
        if value not in (None, "", [], ()):
            words += [f"--{name.replace('_', '-')}", *(map(str, value) if isinstance(value, list | tuple) else [str(value)])]
    return shlex.join(words)


ASSESS_RENAMED = {"model": "segmenter"}
"""``assess`` has two models, so the segmentation model is called ``--segmenter`` there."""

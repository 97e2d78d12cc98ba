"""Curves of trainings."""

import pandas as pd

from core.report.run_figures import SERIES, best_row, run_curve
from core.tables import TRAINING_HISTORY, typed


def history(aucs: list[float], losses: list[float]) -> pd.DataFrame:
    rows = {"epoch": range(1, len(aucs) + 1), "train_loss": 0.5, "val_loss": losses, "val_auc": aucs, "val_accuracy": 0.8}
    return typed(pd.DataFrame(rows), TRAINING_HISTORY)


def test_the_best_epoch_is_the_last_one_that_was_kept() -> None:
    assert best_row(history([0.7, 0.9, 0.95], [0.1, 0.4, 0.5]).assign(kept=[True, True, False]))["epoch"] == 2


def test_where_the_history_does_not_say_it_the_best_epoch_has_the_largest_auc_then_the_smallest_loss() -> None:
    assert best_row(history([0.7, 0.9, 0.9], [0.1, 0.5, 0.4]))["epoch"] == 3


def test_one_run_shows_training_and_validation_and_its_best_epoch() -> None:
    figure = run_curve("Loss", {"a": history([0.7, 0.9], [0.6, 0.5])}, 10)
    assert [trace.name for trace in figure.data[:2]] == ["training", "validation"]
    assert (figure.data[2].x, figure.data[2].y) == ((2,), (0.5,))
    assert figure.layout.xaxis.range[1] > 10


def test_several_runs_show_validation_in_colours_of_their_own() -> None:
    runs = {"a": history([0.7], [0.6]), "b": history([0.8], [0.5])}
    for chart in SERIES:
        figure = run_curve(chart, runs, 1)
        assert [trace.name for trace in figure.data] == ["a", "b"]
        assert len({trace.line.color for trace in figure.data}) == 2


def test_the_axis_of_a_share_does_not_leave_0_to_1():
    for chart in SERIES:
        axis = run_curve(chart, {"a": history([0.9], [0.6])}, 2).layout.yaxis
        assert axis.autorangeoptions.clipmin == 0
        assert axis.autorangeoptions.clipmax == (None if chart == "Loss" else 1)

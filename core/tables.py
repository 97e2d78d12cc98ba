"""Every table of the project: column names, dtypes, and what a column means. Written once, here.

``str`` columns never hold NaN (an empty text is unknown); ``Float64``, ``Int64`` and ``boolean`` are pandas'
nullable types (an empty CSV cell is unknown).
"""

from collections.abc import Mapping
from typing import Final

import pandas as pd

from core.errors import InputError

FIELDS: Final[Mapping[str, str]] = {
    "fov_id": "str",  # unique name of the field of view, safe as a file name
    "phase": "str",  # image reference: path relative to the experiment, or absolute; "#C=0,Z=2,T=1" picks a plane
    "stain": "str",
    "colour": "str",
    "sample": "str",  # the culture the field comes from
    "role": "str",  # "sample", "negative control", "positive control"
    "passage": "str",  # text: labs write 4, P4, p4+2
    "condition": "str",
    "well": "str",
    "time_h": "Float64",  # hours
    "pixel_size_um": "Float64",  # micrometres a pixel
}
ROLES: Final = ("sample", "negative control", "positive control")

SEGMENTED_FIELDS: Final[Mapping[str, str]] = {
    "fov_id": "str",
    "n_cells": "Int64",
    "confluence": "Float64",  # share of the field covered by cells, 0..1
    "diameter_px": "Float64",  # the cell diameter that the network was given
}

CELLS: Final[Mapping[str, str]] = {  # of a segmentation: one row a cell, always keyed by (fov_id, label)
    "fov_id": "str",
    "label": "Int64",
    "y_px": "Float64",  # centroid
    "x_px": "Float64",
    "area_px": "Int64",
    "touches_border": "boolean",
    "flow_error": "Float64",  # mean squared difference of the outline's flows from the network's; empty where no network drew it
}

AGREEMENT: Final[Mapping[str, str]] = {  # found outlines against true ones, one row a field
    "fov_id": "str",
    "true_cells": "Int64",
    "found_cells": "Int64",
    "ap50": "Float64",  # TP / (TP + FP + FN) at IoU 0.5; empty where there was nothing to find and nothing was found
    "ap75": "Float64",
    "ap_mean": "Float64",  # over IoU 0.5, 0.55 ... 0.95
    "f1_50": "Float64",
    "merges": "Int64",  # found cells that hold two or more true cells
    "splits": "Int64",  # true cells found in two or more parts
}

TUNING_HISTORY: Final[Mapping[str, str]] = {  # of a fine-tuning, one row an epoch
    "epoch": "Int64",
    "train_loss": "Float64",
    "held_back_loss": "Float64",  # empty where no field is held back
    "seconds": "Float64",
}

TUNING_FIELDS: Final[Mapping[str, str]] = {  # of a fine-tuning: what it was made from
    "fov_id": "str",
    "sample": "str",
    "part": "str",  # "train" or "held back"
    "n_cells": "Int64",
    "corrections": "Int64",  # empty where the outlines were imported: nobody knows what they were before
}

BEFORE_AFTER: Final[Mapping[str, str]] = {  # of a fine-tuning: two rows a held-back field
    **AGREEMENT,
    "model": "str",  # "before" or "after"
}

TRAINING_HISTORY: Final[Mapping[str, str]] = {  # of a run: one row an epoch
    "epoch": "Int64",
    "train_loss": "Float64",
    "val_loss": "Float64",
    "val_auc": "Float64",
    "val_accuracy": "Float64",  # at the threshold
    "seconds": "Float64",
    "threshold": "Float64",  # by Youden on the validation cells
    "rate": "Float64",  # learning rate of its last step
    "val_auc_se": "Float64",  # standard error of val_auc
    "kept": "boolean",  # the best epoch so far, whose weights were kept
}

VALIDATED_CELLS: Final[Mapping[str, str]] = {  # of a run: one row a validation cell, scored by its best epoch
    "crop": "Int64",  # row of the dataset's manifest
    "cell_id": "str",
    "sample": "str",
    "class": "Int64",
    "senescence_probability": "Float64",  # before calibration; training_cells.py gives those to show
}

MEASUREMENTS: Final[Mapping[str, str]] = {  # of a segmentation: one row a cell; join by (fov_id, label). µm where the pixel size is known
    "fov_id": "str",
    "label": "Int64",
    "area_px": "Int64",
    "area_um2": "Float64",
    "perimeter_px": "Float64",  # length of the line through the centres of the border pixels (scikit-image)
    "perimeter_um": "Float64",
    "equivalent_diameter_px": "Float64",  # of the circle with the same area
    "equivalent_diameter_um": "Float64",
    "major_axis_px": "Float64",  # of the ellipse with the same second moments
    "major_axis_um": "Float64",
    "minor_axis_px": "Float64",
    "minor_axis_um": "Float64",
    "eccentricity": "Float64",  # of that ellipse: 0 a circle, 1 a line
    "solidity": "Float64",  # area / area of the convex hull
    "form_factor": "Float64",  # 4 pi area / perimeter²: about 1 for a disc, less for ragged or long cells; tiny cells exceed 1; 1 where the perimeter is 0
    "mean_intensity": "Float64",  # of the phase image, in its own units
    "sd_intensity": "Float64",
    "texture_contrast": "Float64",  # grey-level co-occurrence at 1.5 µm (2 px where the pixel size is unknown), 32 levels: mean squared difference
    "texture_homogeneity": "Float64",  # mean of 1 / (1 + squared difference): 1 for an even cell
    "granularity": "Float64",  # share of the cell's variance at that distance: near 0 smooth, near 1 grainy
    "neighbours": "Int64",  # cells at most 15 µm (20 px) away, edge to edge
    "nearest_neighbour_px": "Float64",  # distance to the nearest other cell, 1 where they touch; empty where the cell is alone
    "nearest_neighbour_um": "Float64",
    "border_distance_px": "Float64",  # from the cell to the border of the field; 0 where it touches
    "border_distance_um": "Float64",
}

ASSESSED_CELLS: Final[Mapping[str, str]] = {
    "cell_id": "str",  # "<fov_id>:<label>"
    "fov_id": "str",
    "label": "Int64",
    "sample": "str",
    "y_px": "Float64",
    "x_px": "Float64",
    "y_um": "Float64",
    "x_um": "Float64",
    "area_px": "Int64",
    "area_um2": "Float64",
    "touches_border": "boolean",
    "excluded": "boolean",
    "exclusion_reason": "str",  # "" where scored, else one of EXCLUSIONS
    "senescence_probability": "Float64",
    "senescent": "Int64",  # 1 senescent, 0 not, empty where excluded
    "uncertain": "Int64",  # 1 within the abstain band around the threshold, 0 not, empty where excluded
    "brightness": "Float64",  # mean grey value in share of the camera's white
    "focus": "Float64",  # share of the cell's contrast in fine detail, at the classifier's pixel size; empty where excluded
    "training_distance": "Float64",  # from the training cells; above 1: farther than held-out cells. Empty where the model does not know
}
EXCLUSIONS: Final = ("touches border", "too small", "no contrast")

APPEARANCE: Final[Mapping[str, str]] = {  # of a scored cell in its crop, intensities as the classifier sees them; compared by field, not kept
    "level": "Float64",  # mean
    "rim": "Float64",  # mean of its outermost pixels above that of the others, in standard deviations of all
    "skew": "Float64",
    "spread": "Float64",  # the other numbers are logarithms: standard deviation,
    "fine": "Float64",  # and, in units of it, what a Gaussian of 1 px takes away,
    "middle": "Float64",  # one of 2 px then,
    "coarse": "Float64",  # one of 4 px then,
    "grain": "Float64",  # and the noise of its smooth parts
}
TRAITS: Final[Mapping[str, tuple[str, str]]] = {  # column of APPEARANCE -> a field with less and with more of it, in words
    "level": ("cells darker against the field", "cells brighter against the field"),
    "rim": ("darker rims of the cells", "brighter rims of the cells"),
    "skew": ("dark spots more marked than bright ones", "bright spots more marked than dark ones"),
    "spread": ("less contrast in the cells", "more contrast in the cells"),
    "fine": ("less fine detail", "more fine detail"),
    "middle": ("less detail", "more detail"),
    "coarse": ("less coarse structure", "more coarse structure"),
    "grain": ("smoother surfaces", "grainier surfaces"),
}
EXPOSURE: Final[Mapping[str, str]] = {  # of a scored cell in grey values as the camera wrote them; compared by field, not kept
    "contrast": "Float64",  # 95th less 5th percentile of its bounding box, in share of its median
    "noise": "Float64",  # of the camera in the smooth parts of the box, in share of its median
}

UNCERTAIN: Final[Mapping[str, str]] = {  # of a field or a culture
    "n_uncertain": "Int64",  # scored cells within the abstain band around the threshold; they are called all the same
    "fraction_uncertain_low": "Float64",  # senescent fraction if no uncertain cell were senescent,
    "fraction_uncertain_high": "Float64",  # and if every one were
}

ASSESSED_FIELDS: Final[Mapping[str, str]] = {
    "fov_id": "str",
    "sample": "str",
    "role": "str",
    "passage": "str",
    "condition": "str",
    "well": "str",
    "time_h": "Float64",
    "n_cells": "Int64",
    "n_scored": "Int64",
    "n_excluded": "Int64",
    "n_touches_border": "Int64",
    "n_too_small": "Int64",
    "n_no_contrast": "Int64",
    "n_senescent": "Int64",
    "senescent_fraction": "Float64",  # n_senescent / n_scored; empty where nothing was scored
    "ci_low": "Float64",  # 95 % interval
    "ci_high": "Float64",
    "ci_method": "str",
    "confluence": "Float64",
    **UNCERTAIN,
    "excluded_fraction": "Float64",  # n_excluded / n_cells
    "brightness": "Float64",  # medians over the scored cells
    "focus": "Float64",
    "median_area": "Float64",  # of the cells: µm² where the classifier has a pixel size, else px²
    "contrast": "Float64",
    "noise": "Float64",
    "training_distance": "Float64",
    "n_unlike": "Int64",  # scored cells with a training_distance above 1
    "image_distance": "Float64",  # from the training fields; above 1: farther than held-out fields. Empty where the model does not know
    "image_traits": "str",  # what differs most in such a field, in words of TRAITS, joined by JOIN
    "flags": "str",  # those of FLAGS that hold, joined by JOIN
}
JOIN: Final = "; "  # of several words in one cell of a table
UNLIKE, UNUSUAL, LEFT_OUT = "unlike training", "unusual image", "many left out"
FLAGS: Final[Mapping[str, str]] = {  # what may be wrong with a field, and what that means
    UNLIKE: "more cells than chance allows look unlike those that the model learned from",
    UNUSUAL: "sharpness, contrast, noise or polarity of the image are unlike those of the training images",
    "blurred": "less fine detail than in the training images",
    "grainy": "more fine detail than in the training images",
    "dark": "darker than the training images",
    "bright": "brighter than the training images",
    "low contrast": "grey values in and around the cells differ less than in the training images",
    "high contrast": "grey values in and around the cells differ more than in the training images",
    "smoothed": "less noise of the camera than in the training images",
    "noisy": "more noise of the camera than in the training images, as in too little light",
    "sparse": "fewer cells on the area than in the training images",
    "dense": "more cells on the area than in the training images",
    "small cells": "smaller cells than in the training images",
    "large cells": "larger cells than in the training images",
    LEFT_OUT: "more than half of the outlined cells could not be scored",
}
MEASURED_FLAGS: Final[Mapping[str, tuple[str, str]]] = {  # column of ASSESSED_FIELDS -> the flag below and above the training range
    "focus": ("blurred", "grainy"),
    "brightness": ("dark", "bright"),
    "contrast": ("low contrast", "high contrast"),
    "noise": ("smoothed", "noisy"),
    "confluence": ("sparse", "dense"),
    "median_area": ("small cells", "large cells"),
}

ASSESSED_SAMPLES: Final[Mapping[str, str]] = {
    "sample": "str",
    "role": "str",
    "passage": "str",
    "condition": "str",
    "n_fields": "Int64",
    "n_cells": "Int64",
    "n_scored": "Int64",
    "n_excluded": "Int64",
    "n_senescent": "Int64",
    "senescent_fraction": "Float64",
    "ci_low": "Float64",
    "ci_high": "Float64",
    "ci_method": "str",
    **UNCERTAIN,
    "n_unlike": "Int64",  # scored cells unlike the training cells
    "n_flagged": "Int64",  # fields with a quality flag
}

STAINED_FIELDS: Final[Mapping[str, str]] = {  # of a stain measurement: one row a measured field
    "fov_id": "str",
    "n_cells": "Int64",
    "unit": "str",  # of the stain signal, e.g. "optical density"
    "offset": "Float64",  # signal = offset + code / per_unit, code 0 to 65535
    "per_unit": "Float64",
    "spot_px": "Int64",  # smaller spots are removed
    "spot_um2": "Float64",  # the same, where the pixel size is known
    "covered_fraction": "Float64",  # share of the field that the aligned stain image covers
    "verdict": "str",  # of the alignment, the worse one where two images were used: "pass" or "check"
    "source": "str",  # one of REGISTRATION_SOURCES
    "residual_px": "Float64",  # how far the stain may be off; used for "fragile"
    "warnings": "str",  # sentences about the stain image
}

ANNOTATED_CELLS: Final[Mapping[str, str]] = {  # of an annotation: one row a cell
    "fov_id": "str",
    "label": "Int64",
    "sample": "str",
    "role": "str",
    "marker": "str",
    "y_px": "Float64",
    "x_px": "Float64",
    "area_px": "Int64",
    "touches_border": "boolean",
    "covered_fraction": "Float64",  # share of the cell that the aligned stain image covers
    "stained_area_px": "Int64",  # above the threshold, spots smaller than the smallest spot removed
    "stained_fraction": "Float64",  # stained_area_px / area_px
    "mean_signal": "Float64",  # of the stain signal over the covered part of the cell, before small spots are removed
    "critical_threshold": "Float64",  # the cell is positive at every threshold below this one
    "automatic_class": "Int64",  # 1 stained, 0 not; empty where the stain image does not cover the cell
    "decision": "str",  # what a person decided, one of DECISIONS; "" where nobody did
    "curated_class": "Int64",  # 1 positive, 0 negative; empty where nobody decided, or on "cannot tell" and "exclude"
    "class": "Int64",  # curated where a person decided, else automatic; empty: not to be used
    "fragile": "boolean",  # the automatic class changes within the residual of the alignment
    "critical_low": "Float64",  # lowest and highest critical threshold within that residual:
    "critical_high": "Float64",  # the cell is fragile at thresholds from low to below high
}

ANNOTATED_FIELDS: Final[Mapping[str, str]] = {  # of an annotation: one row a field
    "fov_id": "str",
    "sample": "str",
    "role": "str",
    "n_cells": "Int64",
    "n_annotated": "Int64",  # cells with a class
    "n_positive": "Int64",
    "positive_fraction": "Float64",  # n_positive / n_annotated; empty where no cell has a class
    "ci_low": "Float64",  # 95 % interval (Wilson)
    "ci_high": "Float64",
    "n_curated": "Int64",  # cells that a person decided on
    "n_fragile": "Int64",
    "threshold": "Float64",  # in units of the stain signal; empty where the field was not measured
    "spot_px": "Int64",
    "spot_um2": "Float64",
    "verdict": "str",  # of the alignment
    "warnings": "str",
}

ANNOTATED_LINES: Final[Mapping[str, str]] = {  # of an annotation: one row a culture
    "sample": "str",
    "role": "str",
    "passage": "str",
    "condition": "str",
    "n_fields": "Int64",
    "n_cells": "Int64",
    "n_annotated": "Int64",
    "n_positive": "Int64",
    "positive_fraction": "Float64",
    "ci_low": "Float64",  # 95 % interval
    "ci_high": "Float64",
    "ci_method": "str",
    "threshold": "Float64",
    "fraction_lower_threshold": "Float64",  # at 10 % lower and higher threshold
    "fraction_higher_threshold": "Float64",
    "n_curated": "Int64",
    "n_fragile": "Int64",
}

DECISIONS: Final = ("positive", "negative", "cannot tell", "exclude")
UNDO: Final = "undo"  # a row that takes back the rater's last standing decision on that cell

CURATION: Final[Mapping[str, str]] = {  # append-only: one row a key press; the rows of a cell are read in order
    "segmentation": "str",  # whose labels these are
    "fov_id": "str",
    "label": "Int64",
    "decision": "str",  # one of DECISIONS, or UNDO
    "rater": "str",
    "time": "str",  # ISO 8601, UTC
    "y_px": "Float64",  # centroid and area of the cell: to recognise it in another segmentation
    "x_px": "Float64",
    "area_px": "Int64",
    "carried_from": "str",  # "" where decided here, else "<segmentation>:<label>" that it was carried over from
}

LOST_DECISIONS: Final[Mapping[str, str]] = {  # of an annotation: decisions that could not be carried over to its segmentation
    "segmentation": "str",  # whose cell was decided on
    "fov_id": "str",
    "label": "Int64",
    "decision": "str",
    "rater": "str",
    "y_px": "Float64",
    "x_px": "Float64",
    "area_px": "Int64",
    "overlap": "Float64",  # intersection over union with the best cell there is now
    "reason": "str",
}

REGISTRATIONS: Final[Mapping[str, str]] = {  # one row a stain or colour image
    "fov_id": "str",
    "image": "str",  # "stain" or "colour": which image of the field
    "method": "str",  # "translation", "similarity", "affine", "none"
    "a": "Float64",  # x_stain = a * x_phase + b * y_phase + tx, px, pixel centres at whole numbers
    "b": "Float64",
    "tx": "Float64",
    "c": "Float64",  # y_stain = c * x_phase + d * y_phase + ty
    "d": "Float64",
    "ty": "Float64",
    "score": "Float64",  # how far the agreement stands out of chance, in standard deviations
    "residual_px": "Float64",  # estimated mean displacement that is left
    "verdict": "str",  # one of VERDICTS
    "reason": "str",
    "source": "str",  # one of REGISTRATION_SOURCES
}
VERDICTS: Final = ("pass", "check", "fail")  # use it; look at it first; do not use it
REGISTRATION_SOURCES: Final = ("own", "consensus", "manual", "none")  # found in this pair, in its session, by hand, not at all

REGISTRATION_DECISIONS: Final[Mapping[str, str]] = {  # append-only: one row a decision on a pair, the last one counts
    "fov_id": "str",
    "image": "str",
    "decision": "str",  # "accepted", "nudged", "consensus", "excluded", "undo"
    "rater": "str",
    "time": "str",  # ISO 8601, UTC
    "method": "str",
    "a": "Float64",  # the matrix that was decided on, as in REGISTRATIONS
    "b": "Float64",
    "tx": "Float64",
    "c": "Float64",
    "d": "Float64",
    "ty": "Float64",
}

METRICS: Final[Mapping[str, str]] = {  # of an evaluation: one row a metric
    "metric": "str",  # short name, e.g. "auc"
    "name": "str",
    "value": "Float64",
    "ci_low": "Float64",  # 95 % interval over cultures (fields where there is one culture)
    "ci_high": "Float64",
    "n_clusters": "Int64",
}

PREDICTIONS: Final[Mapping[str, str]] = {  # of an evaluation: one row a cell
    "cell_id": "str",  # "<fov_id>:<label>"
    "fov_id": "str",
    "label": "Int64",
    "sample": "str",
    "split": "str",
    "class": "Int64",  # 1 stained, 0 not
    "senescence_probability": "Float64",
    "predicted": "Int64",  # 1 at or above the threshold
}

EVALUATED_CULTURES: Final[Mapping[str, str]] = {  # of an evaluation: one row a culture
    "sample": "str",
    "role": "str",
    "passage": "str",
    "condition": "str",
    "n_fields": "Int64",
    "n_scored": "Int64",
    "n_stained": "Int64",
    "n_predicted": "Int64",
    "stained_fraction": "Float64",  # plain count of stained cells
    "stained_low": "Float64",  # 95 % intervals
    "stained_high": "Float64",
    "predicted_fraction": "Float64",  # plain count of cells called senescent
    "predicted_low": "Float64",
    "predicted_high": "Float64",
    "corrected_fraction": "Float64",  # predicted_fraction corrected for sensitivity and specificity on the other cultures
    "ci_low": "Float64",  # of corrected_fraction
    "ci_high": "Float64",
    "ci_method": "str",
    "auc": "Float64",
    "sensitivity": "Float64",
    "specificity": "Float64",
}

MANIFEST: Final[Mapping[str, str]] = {  # of a dataset: one row a crop; row i is crop i
    "cell_id": "str",  # "<fov_id>:<label>", with "<experiment>/" before it where two experiments share the name of a field
    "experiment": "str",
    "fov_id": "str",
    "label": "Int64",
    "sample": "str",
    "role": "str",
    "passage": "str",
    "condition": "str",
    "well": "str",
    "group": "str",  # what the split keeps together: the value of the column that the settings name, of fields as in cell_id
    "class": "Int64",  # 1 senescent, 0 not
    "split": "str",  # "train", "validation" or "test"
    "curated": "boolean",  # a person decided on the class
    "fragile": "boolean",
    "touches_border": "boolean",
    "cut_off": "boolean",  # larger than the crop
    "rescaled": "boolean",  # brought to another pixel size than its field's
    "area_px": "Int64",  # in the field
    "area_um2": "Float64",
    "extent_px": "Float64",  # longer side of the bounding box, px of the crop
    "mean_intensity": "Float64",  # before normalisation
    "confluence": "Float64",  # of its field
    "pixel_size_um": "Float64",  # of its field
    "image": "str",  # image reference, as in the experiment's fields.csv; a file for imported crops
}

EXPORTED_CROPS: Final[Mapping[str, str]] = {  # manifest.csv beside exported pictures: one row a picture
    **MANIFEST,
    "file": "str",  # the picture, relative to the folder
    "white": "Float64",  # largest value that the picture can have
    "white_guessed": "boolean",  # True where the field's own file did not say its bit depth
    "common_pixel_size_um": "Float64",  # to which all cells were brought; empty where each kept its field's
}

BASELINES: Final[Mapping[str, str]] = {  # of an evaluation: what simple numbers reach
    "baseline": "str",
    "auc": "Float64",
    "model_auc": "Float64",  # on the same cells
    "difference": "Float64",  # model minus baseline
    "ci_low": "Float64",  # 95 % interval of the difference
    "ci_high": "Float64",
    "verdict": "str",  # "better", "worse", "not shown to be better"
}

ERROR_KINDS: Final = ("called senescent, not stained", "stained, not called senescent")  # false positives, false negatives
ERRORS: Final[Mapping[str, str]] = {  # of an evaluation: the calls that are most wrong, one row a cell
    "kind": "str",  # of ERROR_KINDS
    "rank": "Int64",  # 1 is the worst
    "cell_id": "str",
    "sample": "str",
    "class": "Int64",
    "senescence_probability": "Float64",
    "bias": "Float64",  # part of the logit that no place of the crop gives; the contributions of HEAT_MAPS and it add up to the logit
    "picture": "str",  # files in the folder of the evaluation
    "heat_map": "str",
}

HEAT_MAPS: Final[Mapping[str, str]] = {  # what the classifier looked at (class activation map): one row a place of the crop
    "cell_id": "str",
    "row": "Int64",  # from the top
    "column": "Int64",  # from the left
    "contribution": "Float64",  # to the logit; above 0 towards senescent
}

PAIRED: Final[Mapping[str, str]] = {  # two classifiers on the same cells: one row a metric
    "metric": "str",
    "name": "str",
    "first": "Float64",
    "second": "Float64",
    "difference": "Float64",  # second minus first
    "ci_low": "Float64",  # 95 % interval of the difference, by paired cluster bootstrap
    "ci_high": "Float64",
    "n_clusters": "Int64",
    "better": "str",  # "first", "second"; empty where the interval includes 0
}

FLIPS: Final[Mapping[str, str]] = {  # calls of two classifiers on the same cells, as in McNemar's test: one row a class, and all
    "true_class": "str",
    "n_cells": "Int64",
    "both_right": "Int64",
    "only_first_right": "Int64",
    "only_second_right": "Int64",
    "both_wrong": "Int64",
    "p_mcnemar": "Float64",  # exact; takes cells for independent, so it is too small where cells of a culture are alike
}

OUTCOMES: Final = ("both right", "only first right", "only second right", "both wrong")
COMPARED_CELLS: Final[Mapping[str, str]] = {  # two classifiers on the same cells: one row a cell
    "cell_id": "str",
    "fov_id": "str",
    "label": "Int64",
    "sample": "str",
    "class": "Int64",
    "first_probability": "Float64",
    "second_probability": "Float64",
    "first_called": "Int64",  # 1 at or above the threshold of its evaluation
    "second_called": "Int64",
    "kind": "str",  # of OUTCOMES
}

DISAGREEMENTS: Final[Mapping[str, str]] = {**COMPARED_CELLS, "rank": "Int64", "picture": "str"}  # the cells on which two classifiers differ most

FRACTION_AGREEMENT: Final[Mapping[str, str]] = {  # predicted against stained fractions of cultures (Bland and Altman 1986): one row
    "n_cultures": "Int64",
    "bias": "Float64",  # mean of predicted minus stained
    "bias_low": "Float64",
    "bias_high": "Float64",
    "sd": "Float64",
    "limit_low": "Float64",  # limits of agreement
    "limit_high": "Float64",
    "mean_absolute_error": "Float64",
    "pearson": "Float64",
    "spearman": "Float64",
}

GROUPS: Final[Mapping[str, str]] = {  # passages, conditions or donors: one row a group
    "group": "str",
    "n_cultures": "Int64",
    "mean": "Float64",  # of the senescent fractions of its cultures
    "sd": "Float64",
    "ci_low": "Float64",
    "ci_high": "Float64",
}

GROUP_UNITS: Final[Mapping[str, str]] = {  # what is compared: one row a culture (or well, or donor)
    "unit": "str",
    "group": "str",
    "fraction": "Float64",  # senescent, by one estimator for all
}

COMPARISONS: Final[Mapping[str, str]] = {  # one row a pair of groups
    "group": "str",
    "reference": "str",
    "n_group": "Int64",  # cultures
    "n_reference": "Int64",
    "difference": "Float64",  # of means: group minus reference
    "ci_low": "Float64",
    "ci_high": "Float64",
    "p": "Float64",
    "p_holm": "Float64",
    "hedges_g": "Float64",
}

TRENDS: Final[Mapping[str, str]] = {  # over a dose or passage number: one row
    "n_cultures": "Int64",
    "n_doses": "Int64",
    "slope": "Float64",  # change of the fraction for one unit more
    "ci_low": "Float64",
    "ci_high": "Float64",
    "p": "Float64",
    "intercept": "Float64",
}

ESTIMATES: Final[Mapping[str, str]] = {  # of a culture in an assessment, beside its plain count: one row a culture. Intervals are 95 %
    "n_wells": "Int64",
    "fraction_lower_threshold": "Float64",  # cells called senescent at a decision threshold 10 % lower, and 10 % higher
    "fraction_higher_threshold": "Float64",
    "corrected_fraction": "Float64",  # corrected for sensitivity and specificity (Rogan and Gladen 1978)
    "corrected_low": "Float64",
    "corrected_high": "Float64",
    "n_stained_fields": "Int64",  # with scored cells that have a class from the stain
    "n_stained_cells": "Int64",
    "stained_fraction": "Float64",  # of these cells: positive by the stain ...
    "stained_low": "Float64",
    "stained_high": "Float64",
    "called_where_stained": "Float64",  # ... and called senescent by the classifier
    "called_where_stained_low": "Float64",
    "called_where_stained_high": "Float64",
    "stained_lower_threshold": "Float64",  # of the same cells: positive at a stain threshold 10 % lower, and 10 % higher
    "stained_higher_threshold": "Float64",
    "powered_fraction": "Float64",  # prediction-powered: the stained fields correct the calls on the others
    "powered_low": "Float64",
    "powered_high": "Float64",
    "reported_fraction": "Float64",  # the one of these that is reported
    "reported_low": "Float64",
    "reported_high": "Float64",
    "reported_method": "str",
    "reported_notes": "str",  # what makes it weak
}

ACCEPTANCE: Final[Mapping[str, str]] = {  # of a culture: the verdict by the laboratory's limits
    "verdict": "str",  # one of ACCEPTANCE_VERDICTS, "" for a control or where no limits are set
    "verdict_reasons": "str",
    "limits_version": "Int64",
}
ACCEPTANCE_VERDICTS: Final = ("pass", "review", "fail")

REPORTED_SAMPLES: Final[Mapping[str, str]] = {**ASSESSED_SAMPLES, **ESTIMATES, **ACCEPTANCE}  # samples.csv of an assessment and of a report

MARKED_CELLS: Final[Mapping[str, str]] = {  # beside ASSESSED_CELLS: what the stain says of a cell
    "marker": "str",
    "marker_class": "Int64",  # 1 positive, 0 negative, empty where not known
    "second_marker": "str",
    "second_marker_class": "Int64",
}

REFERENCE_CULTURES: Final[Mapping[str, str]] = {  # where a classifier's sensitivity and specificity come from: one row an annotated culture
    "sample": "str",
    "n_stained": "Int64",
    "n_found": "Int64",  # of these, called senescent
    "n_unstained": "Int64",
    "n_spared": "Int64",  # of these, not called senescent
    "sensitivity": "Float64",
    "specificity": "Float64",
}

CLASS_SHAPES: Final[Mapping[str, str]] = {  # size and shape of the scored cells by call: one row a culture ("" is all of them), call and number
    "sample": "str",
    "call": "str",  # "senescent" or "not senescent"
    "measure": "str",
    "unit": "str",
    "n_cells": "Int64",
    "median": "Float64",
    "quartile_low": "Float64",
    "quartile_high": "Float64",
}

GALLERY: Final[Mapping[str, str]] = {  # cells shown in a report, in its order
    "gallery": "str",  # "random" or "doubtful"
    "cell_id": "str",
    "fov_id": "str",
    "label": "Int64",
    "sample": "str",
    "senescence_probability": "Float64",
    "senescent": "Int64",
    "marker_class": "Int64",
    "y_px": "Float64",
    "x_px": "Float64",
}

SIGNOFFS: Final[Mapping[str, str]] = {  # append-only: one row a decision on an assessment
    "number": "Int64",
    "time": "str",  # ISO 8601, UTC
    "name": "str",
    "role": "str",
    "decision": "str",  # one of SIGNOFF_DECISIONS
    "comment": "str",
    "assessment": "str",
    "report": "str",  # the report that was looked at; "" for the assessment's own
    "content": "str",  # SHA-256 over the tables that were signed
    "verdicts": "str",  # at that time, e.g. "MSC1 P4: pass; MSC2 P9: review"
    "limits_version": "Int64",
    "previous": "str",  # hash of the entry before
    "hash": "str",
}
SIGNOFF_DECISIONS: Final = ("approved", "approved with remarks", "rejected", "withdrawn")  # withdrawn: takes back what one said before

LIMITS: Final[Mapping[str, str]] = {  # append-only: the laboratory's acceptance limits, one row a version
    "number": "Int64",
    "time": "str",
    "name": "str",
    "comment": "str",
    "pass_up_to": "Float64",
    "fail_from": "Float64",
    "widest_interval": "Float64",
    "fewest_cells": "Int64",
    "fewest_fields": "Int64",
    "control_up_to": "Float64",
    "previous": "str",
    "hash": "str",
}

FAILURES: Final[Mapping[str, str]] = {  # what was left out of a product, and why
    "fov_id": "str",
    "file": "str",
    "error": "str",
}


def typed(table: pd.DataFrame, columns: Mapping[str, str], name: str = "table") -> pd.DataFrame:
    """Return ``table`` with ``columns`` first, in order and of the stated dtypes; further columns follow untouched.

    A missing ``str`` column becomes empty text, a missing nullable one becomes unknown.

    Raises
    ------
    InputError
        A value does not fit its column (``name`` is quoted, e.g. the file).
    """
    out = table.copy()
    for column, dtype in columns.items():
        if column not in out:
            out[column] = "" if dtype == "str" else pd.NA
        out[column] = _cast(out[column], dtype, f"{name}, column {column}")
    return out[[*columns, *(c for c in out.columns if c not in columns)]]


def _cast(values: pd.Series, dtype: str, where: str) -> pd.Series:
    if dtype == "str" and str(values.dtype) == "str" and not values.hasnans:
        return values
    if dtype == "str":
        return values.astype(object).where(values.notna(), "").map(str).astype("str")
    if str(values.dtype) == dtype or (dtype == "Float64" and values.dtype.kind in "iuf") or (dtype == "Int64" and values.dtype.kind in "iu"):
        return values.astype(dtype)  # a hundred times as fast as looking at every cell
    blank = values.astype(object).where(values.notna(), None).map(lambda v: None if isinstance(v, str) and not v.strip() else v)
    if dtype == "boolean":
        cast = blank.map(lambda v: _TRUTH.get(str(v).strip().lower()))
    else:
        cast = pd.to_numeric(blank, errors="coerce")
    bad = cast.isna() & blank.notna()
    if bad.any():
        wanted = "true or false" if dtype == "boolean" else "a number"
        raise InputError(f"{where}: wanted {wanted}, found {blank[bad].iloc[0]!r} in row {int(bad.to_numpy().argmax()) + 1}.")
    return cast.astype("boolean") if dtype == "boolean" else cast.astype("Float64").astype(dtype)


_TRUTH = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}

"""Settings of every stage: frozen dataclasses. Pages build their forms and the command line its options from them,
so that a default, its bounds and its words are written once."""

from dataclasses import dataclass, field
from typing import Any, Final

EMBEDDED_SEGMENTER = "senescope-phase"
EMBEDDED_CLASSIFIER = "demo-simulated"
GROUP_WORDS: Final = {"sample": "culture", "fov_id": "field"}  # columns of the field table that biologists call otherwise


def setting(default: Any, label: str, help: str = "", *, low: float | None = None, high: float | None = None, **more: Any) -> Any:
    """One setting: default, words for the form, bounds. ``choices`` in ``more`` makes it a selection, ``words`` say some of them otherwise."""
    return field(default=default, metadata={"label": label, "help": help, "low": low, "high": high, **more})


@dataclass(frozen=True)
class SegmentSettings:
    """How cells are outlined (Cellpose 3; Stringer et al. 2021, doi 10.1038/s41592-020-01018-x)."""

    model: str = setting(EMBEDDED_SEGMENTER, "Segmentation model", "A name from the model library or a Cellpose 3 model file.", kind="segmenter")
    diameter_px: float = setting(0.0, "Cell diameter (px)", "0: estimated from the images.", low=0, high=2000, option="diameter")
    diameter_um: float = setting(0.0, "Cell diameter (µm)", "Used where the pixel size is known; 0: use the value in pixels.", low=0, high=2000)
    flow_threshold: float = setting(0.4, "Flow error allowed", "Larger keeps more, less regular cells; 0 keeps all.", low=0, high=3)
    cell_probability: float = setting(0.0, "Cell probability threshold", "Lower makes cells larger and finds fainter ones.", low=-6, high=6)
    min_area_px: int = setting(15, "Smallest cell (px²)", "Smaller objects are dropped.", low=0, high=100_000)
    speed: str = setting(
        "exact",
        "Speed",
        "exact: the outlines of Cellpose. fast: some times quicker on a processor with bfloat16, outlines may differ by some pixels.",
        choices=("exact", "fast"),
    )


@dataclass(frozen=True)
class TuneSettings:
    """How a Cellpose 3 model is trained further on corrected outlines."""

    model: str = setting(EMBEDDED_SEGMENTER, "Start from", "A name from the model library or a Cellpose 3 model file.", kind="segmenter")
    epochs: int = setting(20, "Epochs", "Rounds over the training fields.", low=1, high=2000)
    tiles: int = setting(8, "Tiles a field", "Random pieces of 224 px, at the working scale, of every training field in one epoch.", low=1, high=1000)
    held_back: float = setting(0.25, "Held back", "Share of the fields that is kept for measuring, in whole cultures.", low=0, high=0.9)
    rate: float = setting(3e-4, "Learning rate", "Larger learns faster, and forgets more of what the model knew.", low=1e-7, high=1, step=1e-4)
    batch: int = setting(8, "Tiles a step", "More need more memory.", low=1, high=256)
    scale_range: float = setting(0.5, "Scale range", "Cells are shown larger and smaller by up to half of this share.", low=0, high=1)
    weight_decay: float = setting(1e-5, "Weight decay", low=0, high=1, step=1e-5)
    seed: int = setting(0, "Seed", "Makes the split and the training repeatable.", low=0, high=2**31 - 1)
    device: str = setting("auto", "Device", "auto: a CUDA or Apple graphics processor where there is one.", choices=("auto", "cpu", "cuda", "mps"))


@dataclass(frozen=True)
class AssessSettings:
    """How segmented cells are scored and counted."""

    classifier: str = setting(EMBEDDED_CLASSIFIER, "Classifier", "A name from the model library or a checkpoint file.", kind="classifier")
    threshold: float = setting(-1.0, "Decision threshold", "Senescent at or above this probability; -1: the one stored with the model.", low=-1, high=1)
    uncertain: float = setting(0.1, "Uncertain within", "Cells this near the decision threshold are counted as uncertain too; 0: none.", low=0, high=0.5)
    min_area_um2: float = setting(0.0, "Smallest scored cell (µm²)", "Smaller cells are excluded as 'too small'; 0: none.", low=0, high=100_000)
    precision: str = setting(
        "exact",
        "Scoring precision",
        "exact: fp32. fast: bfloat16, some times quicker on a processor that has it; on others it stays exact, and the result says so.",
        choices=("exact", "fast"),
    )
    bootstrap: int = setting(2000, "Bootstrap samples", "Resamplings of fields for the interval of a culture of 20 or more fields.", low=100, high=100_000)
    seed: int = setting(0, "Seed", "Makes the bootstrap repeatable.", low=0, high=2**31 - 1)
    decimal_comma: bool = setting(False, "CSV with decimal comma", "Semicolons between columns and a comma in numbers, for Excel in many European languages.")
    operator: str = setting("", "Operator", "Who makes the assessment; stands in the report.")


@dataclass(frozen=True)
class ReportSettings:
    """What a report of an assessment rests on besides the calls, and how it compares cultures."""

    evaluation: str = setting(
        "auto",
        "Evaluation of the classifier",
        "Gives sensitivity and specificity for the corrected fraction. auto: the newest of this very classifier on cells it did not learn from; "
        "none; an id, EXPERIMENT/ID or a folder.",
    )
    annotation: str = setting("auto", "Annotation of stained fields", "auto: the newest of these outlines, else of others; none; or an id.")
    second_annotation: str = setting("auto", "Second marker", "Another annotation, of another marker. auto: the newest that there is; none; or an id.")
    group_by: str = setting("auto", "Compare groups of", "A column of the field table, e.g. passage, condition, donor. auto: the first that differs; none.")
    reference: str = setting("", "Reference group", "Every other group is compared with it; empty: every pair is.")
    unit: str = setting(
        "culture",
        "Unit of the comparison",
        "What counts as one observation. well: wells of one culture are technical replicates. donor: the mean of a donor's cultures.",
        choices=("culture", "well", "donor"),
    )
    gallery: int = setting(24, "Cells in a gallery", "Random ones, and as many of the most doubtful calls.", low=0, high=200)
    seed: int = setting(0, "Seed", "Chooses the random cells and makes the intervals repeatable.", low=0, high=2**31 - 1)
    operator: str = setting("", "Operator", "Who makes the report; stands in it.")
    decimal_comma: bool = setting(False, "CSV with decimal comma", "Semicolons between columns and a comma in numbers, for Excel in many European languages.")


@dataclass(frozen=True)
class AcceptanceLimits:
    """When a laboratory takes a culture. Nothing holds before somebody saves it under a name."""

    pass_up_to: float = setting(0.20, "Pass up to", "Senescent fraction of a culture; a higher one is to be reviewed.", low=0, high=1)
    fail_from: float = setting(0.40, "Fail from", "A culture with this senescent fraction or more fails.", low=0, high=1)
    widest_interval: float = setting(0.25, "Widest 95 % interval", "A wider one is to be reviewed. In shares: 0.25 is 25 percentage points.", low=0.01, high=1)
    fewest_cells: int = setting(100, "Fewest scored cells", "With fewer the culture is to be reviewed.", low=1, high=1_000_000)
    fewest_fields: int = setting(3, "Fewest fields", "With fewer the culture is to be reviewed.", low=1, high=10_000)
    control_up_to: float = setting(
        0.10, "Negative control up to", "Senescent fraction of a negative control; above it no culture passes, because the calls are in doubt.", low=0, high=1
    )


SIGNALS = ("brightfield", "colour", "gated", "fluorescence", "binary", "raw")
PROPOSALS = ("best", "negative control", "Otsu", "triangle", "Li", "stability")
NETWORKS = tuple(f"efficientnet-b{k}" for k in range(8))
REGISTRATIONS = ("similarity", "translation", "affine", "none")


@dataclass(frozen=True)
class RegisterSettings:
    """How stain and colour images are laid on the phase image."""

    method: str = setting("similarity", "Alignment", "affine only where two different cameras were used.", choices=REGISTRATIONS[:-1])
    images: str = setting("all", "Images", "Align the stain images, the colour images, or both.", choices=("all", "stain", "colour"))
    consensus: bool = setting(True, "Consensus alignment for failed pairs", "A pair that cannot be aligned takes the alignment of its imaging session.")
    pad_stain: bool = setting(False, "Accept stain images of another size", "Same magnification; the middles of both images lie on each other.")


@dataclass(frozen=True)
class AnnotateSettings:
    """How a stain image becomes a class for every cell: stain signal, alignment, threshold, spots, smallest stained part."""

    signal: str = setting(
        "brightfield",
        "Kind of stain image",
        "brightfield: dark stain, red filter or white light. colour: X-gal unmixed from a colour image. gated: brightfield, kept only where the colour "
        "image shows stain. fluorescence: bright stain. binary: a ready layer, 0 is unstained. raw: as it is.",
        choices=SIGNALS,
    )
    marker: str = setting("SA-beta-gal", "Marker", "Name of the ageing marker, written into every table.")
    threshold: str = setting("auto", "Stain threshold", "In units of the stain signal; a pixel above it is stained. auto: as proposed.")
    proposal: str = setting("best", "Proposed threshold", "best: the most stable one that the negative controls allow.", choices=PROPOSALS)
    control_positive: float = setting(0.05, "Positive control cells allowed", "Share of the negative-control cells that may be positive.", low=0, high=0.5)
    min_spot_px: int = setting(20, "Smallest stain spot (px)", "Smaller spots are not stain.", low=1, high=1_000_000, option="min_spot")
    min_spot_um2: float = setting(0.0, "Smallest stain spot (µm²)", "Used where the pixel size is known; 0: use the value in px.", low=0, high=1_000_000)
    min_fraction: float = setting(0.05, "Smallest stained part of a cell", "Share of the cell's area; 0: one stained spot is enough.", low=0, high=1)
    connectivity: int = setting(8, "Neighbours in a spot", "8: spots that touch at a corner are one, as in Fiji; 4: only along an edge.", choices=(8, 4))
    register: str = setting("similarity", "Alignment of stain to phase", "affine only where two different cameras were used.", choices=REGISTRATIONS)
    consensus: bool = setting(True, "Consensus alignment for failed pairs", "A pair that cannot be aligned takes the alignment of its imaging session.")
    pad_stain: bool = setting(False, "Accept stain images of another size", "Same magnification; the middles of both images lie on each other.")
    background_px: float = setting(0.0, "Background scale (px)", "Light changes more slowly than this; 0: an eighth of the field.", low=0, high=10_000)
    blank: str = setting("", "Blank image", "File of an empty field under the light of the stain image; empty: the light is estimated from every field.")
    colour_blank: str = setting("", "Blank colour image", "The same for the colour image.")
    stain_vector: str = setting("", "Stain colour", "Optical density in red, green, blue, e.g. '0.88 0.40 0.25'; empty: X-gal.")
    gate: float = setting(0.02, "Colour gate", "Optical density of stain that the colour image must show; kind 'gated' only.", low=0, high=4)
    raw_stain: str = setting("dark", "Raw stain is", "Kind 'raw' only.", choices=("dark", "bright"))
    min_covered: float = setting(0.9, "Smallest covered part of a cell", "A cell that the aligned stain image covers less gets no class.", low=0, high=1)
    per_line: bool = setting(False, "A threshold for every line", "Lines are then not comparable: use it only where staining differed.")


@dataclass(frozen=True)
class TrainSettings:
    """How a classifier is trained on a dataset (EfficientNet; Tan & Le 2019, arXiv:1905.11946)."""

    network: str = setting("efficientnet-b4", "Network", "B0 is quick and small, B4 usual, B7 slow.", choices=NETWORKS)
    start: str = setting(
        "scratch", "Start from", "scratch, imagenet (weights downloaded before), a name from the model library, or a file of weights; of the same network."
    )
    epochs: int = setting(30, "Epochs", "Rounds over the training cells.", low=1, high=2000)
    batch: int = setting(16, "Cells a step", "More need more memory.", low=2, high=1024)
    rate: float = setting(0.0, "Learning rate", "Its highest; 0: 0.001 from scratch, 0.0003 from trained weights.", low=0, high=1, step=1e-4)
    head_epochs: int = setting(1, "Epochs of the last layer alone", "At first, from trained weights only.", low=0, high=100)
    warmup: float = setting(1.0, "Warm-up (epochs)", "The learning rate rises that long, then falls along a cosine.", low=0, high=100)
    balance: str = setting(
        "weights",
        "Classes of unequal size",
        "weights: the rarer class counts more. sampler: it is drawn more often. none: as they are.",
        choices=("weights", "sampler", "none"),
    )
    patience: int = setting(10, "Stop early after", "Epochs without a better one on the validation cells; 0: never.", low=0, high=2000)
    smoothing: float = setting(0.05, "Label smoothing", "How unsure every class is taken to be.", low=0, high=0.5)
    dropout: float = setting(0.2, "Dropout", low=0, high=0.9)
    weight_decay: float = setting(0.01, "Weight decay", low=0, high=1, step=0.01)
    average: float = setting(
        0.99, "Moving average", "Of the weights, a step; what is kept and judged. Less where an epoch has few steps.", low=0, high=0.9999, step=0.01
    )
    clip: float = setting(1.0, "Largest gradient", "Longer ones are shortened.", low=0.01, high=1000)
    rotate: bool = setting(True, "Turn and mirror", "Through any angle.")
    scale: float = setting(0.1, "Magnify", "Larger and smaller by up to this share.", low=0, high=1)
    brightness: float = setting(0.2, "Brightness", "Changed by up to this many standard deviations.", low=0, high=2)
    contrast: float = setting(0.2, "Contrast", "Changed by up to this share.", low=0, high=0.9)
    blur_px: float = setting(1.0, "Blur (px)", "Largest standard deviation.", low=0, high=10)
    noise: float = setting(0.1, "Noise", "In standard deviations of the crops.", low=0, high=2)
    precision: str = setting(
        "auto", "Arithmetic", "auto: half precision on CUDA, else fp32. bf16: quicker on processors that have it.", choices=("auto", "fp32", "bf16")
    )
    device: str = setting("auto", "Device", "auto: a CUDA or Apple graphics processor where there is one.", choices=("auto", "cpu", "cuda", "mps"))
    devices: int = setting(
        0, "Devices", "Graphics processors that share every step. 0: all of this machine that get at least 8 cells a step; else one.", low=0, high=64
    )
    seed: int = setting(0, "Seed", "The same seed, on as many devices, gives the same training.", low=0, high=2**31 - 1)


@dataclass(frozen=True)
class EvaluateSettings:
    """How a classifier is judged on annotated cells."""

    model: str = setting(
        EMBEDDED_CLASSIFIER,
        "Classifier",
        "A run of this experiment, a name from the model library, or a checkpoint file; on the command line the newest run, if any.",
        kind="classifier",
    )
    split: str = setting(
        "test",
        "Cells",
        "The set to judge on. all: every cell of the dataset, for a model that saw none of them.",
        choices=("test", "validation", "train", "all"),
    )
    rule: str = setting(
        "youden",
        "Threshold",
        "youden: sensitivity + specificity. sensitivity, specificity: at least the target. model: as stored with the model.",
        choices=("youden", "accuracy", "f1", "sensitivity", "specificity", "model"),
    )
    target: float = setting(0.9, "Target", "Sensitivity or specificity to reach, for those two rules.", low=0.01, high=1)
    threshold_on: str = setting(
        "validation",
        "Threshold chosen on",
        "evaluated: the very cells that are judged. Flatters the model; the report says so.",
        choices=("validation", "evaluated"),
    )
    calibrate: bool = setting(True, "Calibrate", "Fit a temperature on the validation cells, so that probabilities mean what they say.")
    prevalence: float = setting(0.0, "Natural prevalence", "Share of senescent cells for PPV and NPV; 0: that of the judged cells.", low=0, high=1)
    bootstrap: int = setting(2000, "Bootstrap samples", "Resamplings of cultures for the intervals.", low=100, high=100_000)
    seed: int = setting(0, "Seed", "Makes the bootstrap repeatable.", low=0, high=2**31 - 1)
    save_model: bool = setting(False, "Keep the calibrated model", "Also write the checkpoint with this temperature and threshold.")


@dataclass(frozen=True)
class CompareSettings:
    """How two classifiers are compared on the same cells."""

    bootstrap: int = setting(2000, "Bootstrap samples", "Resamplings of cultures for the intervals.", low=100, high=100_000)
    seed: int = setting(0, "Seed", "Makes the bootstrap repeatable.", low=0, high=2**31 - 1)


@dataclass(frozen=True)
class SimulateSettings:
    """A simulated experiment with known truth."""

    samples: int = setting(4, "Cultures", "The last one is an unstained negative control where there are more than two.", low=1, high=96)
    fields: int = setting(3, "Fields a culture", low=1, high=96)
    size: int = setting(1024, "Field size (px)", "Width and height.", low=128, high=8192)
    seed: int = setting(0, "Seed", "The same seed gives the same experiment.", low=0, high=2**31 - 1)


@dataclass(frozen=True)
class DatasetSettings:
    """How annotated cells become crops, and which culture goes to training, validation and test."""

    crop_px: int = setting(380, "Crop size (px)", "Larger cells are cut off; 0: as advised from the cells.", low=0, high=2048, option="crop_size")
    group: str = setting(
        "sample",
        "Split by",
        "Cells of one group are never divided: sample (culture), donor, passage, well, fov_id (field), or, on the command line, any column of the field table.",
        choices=("sample", "donor", "passage", "condition", "well", "experiment", "fov_id"),
        words=GROUP_WORDS,
    )
    validation: float = setting(0.15, "Share for validation", "Of the cells; chooses the epoch and the threshold.", low=0, high=0.9)
    test: float = setting(0.15, "Share for test", "Of the cells; looked at once, at the end.", low=0, high=0.9)
    seed: int = setting(0, "Seed", "Another seed proposes another split.", low=0, high=2**31 - 1)
    background: str = setting("black", "Around the cell", "black: as in the original pipeline. kept: the surroundings are shown.", choices=("black", "kept"))
    intensity: str = setting(
        "range",
        "Intensity",
        "range: divided by the camera's white, as in the original pipeline. field: relative to the field's own median and spread, "
        "whatever the exposure (as the embedded classifier).",
        choices=("range", "field"),
    )
    pixel_size_um: float = setting(
        0.0, "Common pixel size (µm)", "Cells are rescaled to it; 0: not rescaled. The embedded classifier: 1.", low=0, high=100, option="pixel_size"
    )
    leave_out_fragile: bool = setting(False, "Leave out fragile cells", "Cells whose class changes within the error of the alignment.")
    controls: bool = setting(
        True,
        "Use negative controls",
        "Else fields whose role is “negative control” are left out: where they were not stained, the class says nothing.",
    )

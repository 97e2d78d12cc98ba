"""The model zoo of Cellpose 3 (cellpose 3.1, ``models.MODEL_NAMES``): data only.

Licences as far as documented: the authors put Cellpose's BSD-3-Clause licence on the model files and leave open whether
terms of the training images carry over (github.com/MouseLand/cellpose, issue 192). The training sets are those named in
Cellpose's documentation of its models.
"""

from dataclasses import dataclass
from typing import Final

BASE_URL: Final = "https://www.cellpose.org/models"


@dataclass(frozen=True)
class Zoo:
    """One model of the zoo."""

    name: str
    url: str  # official address of the weights
    what: str  # what it was trained on, in one line
    licence: str
    citation: str
    unsupported: str = ""  # why it cannot be used here, where it cannot

    @property
    def file(self) -> str:
        """Name of the weight file."""
        return self.url.rsplit("/", 1)[1]


_CP1: Final = "Stringer et al. 2021, doi 10.1038/s41592-020-01018-x"
_CP2: Final = "Pachitariu & Stringer 2022, doi 10.1038/s41592-022-01663-4"
_CP3: Final = "Stringer & Pachitariu 2025, doi 10.1038/s41592-025-02595-5"
_NEURIPS: Final = "Stringer & Pachitariu 2024, doi 10.1101/2024.04.06.587952"
_BSD: Final = "BSD-3-Clause (Cellpose)"
_OWN: Final = f"{_BSD}; trained on the Cellpose images, which are for non-commercial use"
_LIVECELL: Final = f"{_BSD}; trained on LIVECell, whose data are CC BY-NC 4.0 (non-commercial)"
_TISSUENET: Final = f"{_BSD}; trained on TissueNet, whose data are for non-commercial academic use"
_MIXED: Final = f"{_BSD}; trained on several sets, among them LIVECell (CC BY-NC 4.0) and others for non-commercial use"
_OTHER: Final = f"{_BSD}; licence of the training data: see the cited data set"
_TRANSFORMER: Final = (
    "it is a transformer that needs the package segmentation_models_pytorch, which Cellpose does not install; "
    "its authors found it no better than cyto3. Use cyto3 or livecell_cp3"
)

_MODELS: Final = (
    # name, file, what, licence, citation, unsupported
    ("cyto3", "cyto3", "Generalist for cells of many kinds, nine data sets, phase contrast among them.", _MIXED, _CP3, ""),
    ("nuclei", "nucleitorch_0", "Stained nuclei.", _OWN, _CP1, ""),
    ("cyto2_cp3", "cyto2_cp3", "Cells of many kinds, the Cellpose images with those sent in by users.", _OWN, _CP3, ""),
    ("tissuenet_cp3", "tissuenet_cp3", "Cells in tissue, fluorescence (TissueNet).", _TISSUENET, _CP3, ""),
    ("livecell_cp3", "livecell_cp3", "Living cells in phase contrast, eight cell lines (LIVECell).", _LIVECELL, _CP3, ""),
    ("yeast_PhC_cp3", "yeast_PhC_cp3", "Yeast in phase contrast (YeaZ).", _OTHER, _CP3, ""),
    ("yeast_BF_cp3", "yeast_BF_cp3", "Yeast in bright field (YeaZ).", _OTHER, _CP3, ""),
    ("bact_phase_cp3", "bact_phase_cp3", "Bacteria in phase contrast (Omnipose).", _OTHER, _CP3, ""),
    ("bact_fluor_cp3", "bact_fluor_cp3", "Bacteria in fluorescence (Omnipose).", _OTHER, _CP3, ""),
    ("deepbacs_cp3", "deepbacs_cp3", "Bacteria (DeepBacs).", _OTHER, _CP3, ""),
    ("cyto2", "cyto2torch_0", "Cells of many kinds, the Cellpose images with those sent in by users; older.", _OWN, _CP1, ""),
    ("cyto", "cytotorch_0", "Cells of many kinds, the Cellpose images; oldest.", _OWN, _CP1, ""),
    ("CP", "CP", "Cells of many kinds, the Cellpose images.", _OWN, _CP2, ""),
    ("CPx", "CPx", "Cells of many kinds, the Cellpose images and those of users.", _OWN, _CP2, ""),
    ("TN1", "TN1", "A style of cells in tissue, fluorescence (TissueNet).", _TISSUENET, _CP2, ""),
    ("TN2", "TN2", "A style of cells in tissue, fluorescence (TissueNet).", _TISSUENET, _CP2, ""),
    ("TN3", "TN3", "A style of cells in tissue, fluorescence (TissueNet).", _TISSUENET, _CP2, ""),
    ("LC1", "LC1", "A style of living cells in phase contrast (LIVECell).", _LIVECELL, _CP2, ""),
    ("LC2", "LC2", "A style of living cells in phase contrast (LIVECell).", _LIVECELL, _CP2, ""),
    ("LC3", "LC3", "A style of living cells in phase contrast (LIVECell).", _LIVECELL, _CP2, ""),
    ("LC4", "LC4", "A style of living cells in phase contrast (LIVECell).", _LIVECELL, _CP2, ""),
    ("neurips_grayscale_cyto2", "neurips_grayscale_cyto2", "Grey images of the NeurIPS 2022 challenge and the Cellpose images.", _OTHER, _NEURIPS, ""),
    ("neurips_cellpose_default", "neurips_cellpose_default", "NeurIPS 2022 challenge, three channels (a grey image is the first).", _OTHER, _NEURIPS, ""),
    ("neurips_cellpose_transformer", "neurips_cellpose_transformer", "NeurIPS 2022 challenge, transformer.", _OTHER, _NEURIPS, _TRANSFORMER),
    ("transformer_cp3", "transformer_cp3", "Generalist, transformer.", _MIXED, _CP3, _TRANSFORMER),
)

ZOO: Final[dict[str, Zoo]] = {
    name: Zoo(name, f"{BASE_URL}/{file}", what, licence, citation, unsupported) for name, file, what, licence, citation, unsupported in _MODELS
}

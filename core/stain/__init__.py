"""From a stain image to a class for every cell.

Modules, in the order of the data: ``kinds`` and ``signal`` (image to stain signal; ``background``, ``unmixing``), ``quantisation``
(16 bits, once), ``opening`` (small spots), ``counting`` (stained area at any threshold), ``proposals`` (thresholds worth
trying), ``fragility`` (alignment), ``summary``; what people decide: ``curation``, ``carrying``, ``agreement``,
``original_csv``. Import from the modules: some of them need OpenCV or numba, which the app does not load at its start.
"""

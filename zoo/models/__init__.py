"""Networks: one paper, one file; a file in this folder is the registration.

Each module `zoo/models/<name>.py` defines

- `Config(Frozen)`: its hyper-parameters,
- `METADATA`: its words for the metadata of a submission,
- `build(config, shape, classes) -> Embedder`: the network, freshly initialised from torch's global generator; a `Network` where
  there is something to train,
- `needs_training(config) -> bool`, when it may be that nothing is trained; without it every network of the module is,
- `files(config) -> list[str]`, when the network is made of files other than pretrained weights: one whose content changes makes
  the system another one,
- `LIKELIHOOD = True` when that network is a `DensityNetwork`, so that the density detector can use it,
- `ERROR_MOMENTS = True` when embeddings are those of `zoo/layers/error_moments.py`, for `mse` and `selective_mahalanobis`,
- `CLASS_ODDS = True` when embeddings (classes,) are how unlikely each class is, for `class_odds`.
"""

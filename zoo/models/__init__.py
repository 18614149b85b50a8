"""Networks: one paper, one file; a file in this folder is the registration.

Each module `zoo/models/<name>.py` defines

- `Config(Frozen)`: its hyper-parameters,
- `build(config, shape, classes) -> Network`: the network, freshly initialised from torch's global generator,
- `LIKELIHOOD = True` when that network is a `DensityNetwork`, so that the density detector can use it.
"""

"""Pretrained encoders: one architecture, one file; a file in this folder is the registration, and nothing else is edited.

Each module `zoo/encoders/<name>.py` defines

- `ENCODER`: its subclass of `zoo.encoders._base.Encoder`, which owns everything about the architecture: its sizes and how they
  are read from a checkpoint, its front end and padding, forward pass and hidden states, where its tokens stand, the matrices
  that can be adapted, the marks by which its files are known, official names, tensors that may be ignored;
- `METADATA`: its words for the metadata of a submission.

A system names it in `model: {name: pretrained, encoder: <name>}`, a known checkpoint in `configs/checkpoints.yaml`. Every
encoder is held to `zoo/contracts/encoders.py`.
"""

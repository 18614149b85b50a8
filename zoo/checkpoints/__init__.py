"""Checkpoints of pretrained encoders: which are known and where they come from, and how an encoder is filled from a file.

A file becomes named tensors here; which of them an encoder takes, and at what sizes, the encoder says.
"""

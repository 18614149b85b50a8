"""What networks are built of: attention, pooling, batch norm, position convolutions, and low-rank adapters.

Nothing here knows a front end, a model or a checkpoint.
"""

"""Networks of which only the shapes are there: parameters on torch's meta device, and what is computed with them."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

_META = torch.device("meta")


class Shapes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch types none of it
    """What is computed with a tensor of the meta device is one, wherever the other tensors lie."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        everything = (args, kwargs or {})
        if any(isinstance(one, torch.Tensor) and one.is_meta for one in tree_leaves(everything)):
            everything = tree_map(_moved, everything)
        args, kwargs = everything
        return func(*args, **kwargs)


def _moved(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(_META)
    return _META if isinstance(value, torch.device) else value

"""TensorBoard curves, for those who have it installed; `training.csv` is there for everyone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path


@contextmanager
def tensorboard(folder: Path) -> Iterator[Callable[[dict[str, float]], None]]:
    """Yield a function that logs a row of the training history; it does nothing when TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        yield lambda row: None
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:

        def log(row: dict[str, float]) -> None:
            for name, value in row.items():
                writer.add_scalar(name, value, int(row["step"]))

        yield log

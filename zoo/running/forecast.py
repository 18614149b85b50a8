"""What a system's network costs, before it is built: for plans, which are printed at once and need no checkpoint."""

from collections.abc import Sequence

from zoo.errors import AsdzooError
from zoo.systems import System
from zoo.training.cost import Cost, cost_of, cost_of_plan


def forecast(system: System, classes: Sequence[str], seconds: float = 10.0) -> Cost:
    """Parameters, and operations for a clip of `seconds`, as `cost_of` counts them.

    Raises: AsdzooError for a network that cannot be built.
    """
    drafted = system.drafted
    try:
        return cost_of_plan(lambda: drafted.build_network(classes, 0), system.shape, seconds)
    except AsdzooError:
        pass  # what the draft lacks, the checkpoint may tell; if not, it is said below
    except Exception:  # a model of anybody's, which looks at what its parameters are
        return cost_of(drafted.build_network(classes, 0), system.shape, seconds)
    return cost_of(system.build_network(classes, 0), system.shape, seconds)

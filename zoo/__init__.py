"""How anomalous does one system find this clip?"""

from importlib.metadata import version

from zoo.api import AsdzooError, AsdzooWarning, Run, open_run, recordings, train

__all__ = ["AsdzooError", "AsdzooWarning", "Run", "__version__", "open_run", "recordings", "train"]

__version__ = version("asdzoo")

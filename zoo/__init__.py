"""How anomalous does one system find this clip?"""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("asdzoo")

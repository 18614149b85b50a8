"""Any detector of PyOD: `detector: {name: pyod, class: knn.KNN, options: {n_neighbors: 2}}`."""

from importlib import import_module
from typing import Any

from pydantic import ConfigDict, Field

from zoo.plugins import AsdzooError, Detector, FloatArray, Frozen, PointDetector, Words

METADATA = Words(methods=("outlier detection (PyOD)",))


class Config(Frozen):
    model_config = ConfigDict(populate_by_name=True)
    class_: str = Field(alias="class", pattern=r"^\w+\.\w+$")  # module and class below pyod.models
    options: dict[str, Any] = Field(default_factory=dict)  # arguments of the class


class PyodDetector(PointDetector):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def learn(self, points: FloatArray) -> Any:
        return self._made().fit(points)

    def judge(self, learned: Any, points: FloatArray) -> FloatArray:
        return learned.decision_function(points)

    def _made(self) -> Any:
        module, name = self.config.class_.split(".")
        try:
            return getattr(import_module(f"pyod.models.{module}"), name)(**self.config.options)
        except (ImportError, AttributeError, TypeError) as problem:
            hint = "detector.class is a class of PyOD, as in knn.KNN; detector.options are its arguments"
            raise AsdzooError(f"pyod.models.{self.config.class_} cannot be made: {problem}", hint) from problem


def build(config: Config) -> Detector:
    return PyodDetector(config)

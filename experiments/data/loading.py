"""Loading the data of an experiment, when they are needed and once."""

import functools
from typing import Any

from experiments.data.data import Data
from experiments.experiment import Experiment


class DataOnDemand:
    """The data of an experiment.

    Args:
        experiment: `Experiment`.
        **where: arguments of its `load_data`.
    """

    def __init__(self, experiment: Experiment, **where: Any):
        self.experiment, self.where = experiment, where

    @functools.cached_property
    def loaded(self) -> Data:
        """The data, loaded when they are first asked for.

        Raises:
            UserError: as `load_data`.
        """
        return self.experiment.load_data(**self.where)

    @property
    def per_epoch(self) -> int:
        """Images of an epoch, without making data that take long."""
        if self.experiment.any_size:
            return self.loaded.training.per_epoch
        return self.experiment.count_images(**self.where)

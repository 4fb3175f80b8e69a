"""What happens at the end of each epoch of a run: every file is written whole or not at all."""

import contextlib
import csv
import math
import time

import h5py
import keras
import numpy as np

from cli.errors import UserError
from cli.files import atomic_path
from experiments.data.data import as_input
from experiments.data.random_warp import RandomWarp
from experiments.evaluation.measure import predict_theta, transformer_of
from experiments.training.checkpoint import not_finite, seal
from experiments.training.devices import alone
from stn_keras.monitor import TransformerMonitor

VALIDATION_LOSS = "val_loss"
LOOKED_AT = 10
# Bytes that HDF5 takes at most for a number, and for the names around an array.
HDF5_ITEM, HDF5_GROUP = 4, 2**12
MONITORED_PER_GROUP, MONITORED_AT_MOST = 2, 10


class EpochSeconds(keras.callbacks.Callback):
    """Adds the epoch's wall-clock seconds to its logs."""

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs["seconds"] = round(time.perf_counter() - self.started, 2)


class GrowDistortion(keras.callbacks.Callback):
    """Lets a model's layers that distort its training images do so more in every epoch.

    Args:
        epochs: from this epoch on they draw from their whole ranges.
    """

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        for layer in self.model.layers:
            if isinstance(layer, RandomWarp):
                layer.strength.assign(min(1, epoch / self.epochs))


class StopDiverged(keras.callbacks.Callback):
    """Ends a run at the first epoch with a loss, weight or theta that is not finite.

    It looks at the end of an epoch and before anything of it is written, so what is kept is good;
    Keras's TerminateOnNaN fetches the loss of every batch, and continues to the end of the epoch.

    Args:
        run: `experiments.training.run_folder.Run`.
        network: the model that is kept.
        data: `experiments.data.data.Data`.
    """

    def __init__(self, run, network, data):
        super().__init__()
        self.run, self.network, self.data = run, network, data

    @alone()
    def on_epoch_end(self, epoch, logs=None):
        wrong = [name for name in ("loss", VALIDATION_LOSS) if not math.isfinite(logs.get(name, 0))]
        wrong += ["a weight"] if not_finite(self.network) else []
        if not wrong:
            return
        theta = predict_theta(self.network, self.data.test[self.data.shown].images[:LOOKED_AT])
        if theta is not None and not np.isfinite(theta).all():
            wrong.append("theta")
        kept = f"epoch {epoch} is kept in {self.run.last_state}" if epoch else "no epoch is kept"
        raise UserError(
            f"training diverged in epoch {epoch + 1}: {', '.join(wrong)} not finite; {kept}"
        )


class WriteHistory(keras.callbacks.Callback):
    """Writes all rows of history.csv anew after each epoch, one column for each entry of the logs.

    Keras's CSVLogger continues under the present columns, so a run resumed with other columns
    would mix them up, and it adds a column for each validation figure that there is not.

    Args:
        run: `experiments.training.run_folder.Run`.
        rows: those of earlier epochs, as `Run.read_history` gives them.
    """

    def __init__(self, run, rows):
        super().__init__()
        self.run, self.rows = run, [{**row, "epoch": int(row["epoch"])} for row in rows]

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append({"epoch": epoch, **logs})
        columns = ["epoch", *sorted({key for row in self.rows for key in row} - {"epoch"})]
        with atomic_path(self.run.history) as partial, partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)


class SaveBestAndLast(keras.callbacks.Callback):
    """After each epoch: the model that is kept, then the state to resume from.

    The model kept is that of the best epoch by validation; without validation, of the last epoch.
    Keras's BackupAndRestore keeps weights and epoch number in two files, so a kill between them
    repeats an epoch on newer weights. Here both are one file, and in it the states of dropout's
    random numbers, which Keras does not save.

    Args:
        run: `experiments.training.run_folder.Run`.
        rows: rows of history.csv of earlier epochs.
        network: the model that is kept, which may be a part of the one that trains.
        rank: `Schedule.rank`, which tells the best epoch.
        averaged: `experiments.training.averaging.AveragedWeights`, whose weights are kept; None:
            those that are trained.
    """

    def __init__(self, run, rows, network, rank, averaged=None):
        super().__init__()
        self.run, self.network, self.rank = run, network, rank
        self.kept_weights = averaged.in_place if averaged else contextlib.nullcontext
        self.best = min((rank(row) for row in rows if VALIDATION_LOSS in row), default=(math.inf,))

    @alone()
    def on_epoch_end(self, epoch, logs=None):
        if self._is_kept(epoch, logs):
            with self.kept_weights(), atomic_path(self.run.best_model) as partial:
                self.network.save(partial)
        with atomic_path(self.run.last_state) as partial:
            self._reserve(partial)
            self.model.save_weights(partial)
            with h5py.File(partial, "r+") as file:
                file.attrs["epochs"] = epoch + 1
                states = [keras.ops.convert_to_numpy(state) for state in random_states(self.model)]
                file.attrs["random_states"] = states
            seal(partial)

    def _reserve(self, path):
        """Fill a file with as many bytes as it will need: HDF5 crashes where a disk is full."""
        variables = [*self.model.variables, *self.model.optimizer.variables]
        size = sum(math.prod(v.shape) * HDF5_ITEM + HDF5_GROUP for v in variables)
        path.write_bytes(bytes(size))

    def _is_kept(self, epoch, logs):
        if VALIDATION_LOSS not in logs:
            return epoch + 1 == self.params["epochs"] and math.isfinite(logs["loss"])
        better = self.rank(logs) < self.best
        if better:
            self.best = self.rank(logs)
        return better


def random_states(model):
    """Variables that dropout and the like draw their random numbers from."""
    return [variable for variable in model.variables if variable.name == "seed_generator_state"]


def monitors(run, model, data):
    """Callbacks that watch a run: pictures of its transformer, if it has one, and TensorBoard."""
    tensorboard = keras.callbacks.TensorBoard(run.tensorboard)
    layer = transformer_of(model)
    if layer is None:
        return [tensorboard]
    part = data.test[data.shown]
    chosen = part.examples(MONITORED_PER_GROUP, MONITORED_AT_MOST)
    images = as_input(part.images[chosen])
    labels = [data.class_name(label) for label in part.labels[chosen]]
    return [TransformerMonitor(images, run.monitor, labels=labels, layer=layer), tensorboard]

"""What is known of each trained model that comes along: its card."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cli.errors import UserError
from cli.files import read_text, write_json

FOLDER = Path(__file__).resolve().parents[2] / "pretrained"
CARDS = "cards.json"


@dataclass(frozen=True)
class Card:
    """One model's card.

    Attributes:
        experiment: name of the experiment that trained it.
        model: name of the model in it.
        settings: of its run, see `experiments.training.run_folder.Settings`.
        seeds: those that it was chosen from, by validation.
        best_epoch: the epoch whose weights it has.
        validation: accuracy and loss in that epoch.
        accuracy: test set -> share of right answers.
        parameters: number of weights.
        sha256: of its file.
        environment: device, versions, commit and time of the training.
        schedule: how it was trained, see `experiments.experiment.Schedule.described`.
        data: what its data were made from.
        windows: how well its windows enclose the objects, where that is known.
    """

    experiment: str
    model: str
    settings: dict[str, Any]
    seeds: list[int]
    best_epoch: int
    validation: dict[str, float]
    accuracy: dict[str, float]
    parameters: int
    sha256: str
    environment: dict[str, Any]
    schedule: dict[str, Any]
    data: dict[str, Any]
    windows: dict[str, Any] | None = None

    @property
    def file(self) -> str:
        """Name of the model's file."""
        return f"{self.experiment}-{self.model}.keras"

    def checked_path(self, folder: Path = FOLDER) -> Path:
        """Where the model's file is.

        Raises:
            UserError: it is missing, or is not the file that the card is of.
        """
        path = folder / self.file
        if not path.is_file():
            raise UserError(f"expected a trained model at {path}, found none")
        got = sha256_of(path)
        if got != self.sha256:
            raise UserError(f"expected {path} with SHA-256 {self.sha256}, got {got}")
        return path


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_cards(folder: Path = FOLDER) -> list[Card]:
    """The cards of the models in a folder.

    Raises:
        UserError: they are missing or damaged.
    """
    path = folder / CARDS
    try:
        return [Card(**card) for card in json.loads(read_text(path))]
    except (OSError, ValueError, TypeError):
        raise UserError(f"expected the cards of trained models in {path}") from None


def cards_of(experiment: str, folder: Path = FOLDER) -> list[Card]:
    """The cards of an experiment's models.

    Raises:
        UserError: there are none.
    """
    cards = read_cards(folder)
    found = [card for card in cards if card.experiment == experiment]
    if not found:
        names = ", ".join(dict.fromkeys(card.experiment for card in cards))
        raise UserError(f"expected an experiment with trained models ({names}), got {experiment}")
    return found


def write_cards(cards: list[Card], folder: Path = FOLDER) -> None:
    """Write the cards of all models in a folder."""
    write_json(folder / CARDS, [asdict(card) for card in cards])

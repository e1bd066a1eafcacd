"""The training loop of the course, and what belongs to it.

Taught by hand in notebooks/08_training_process.ipynb; imported everywhere after. ``loop`` holds
``fit``, ``engine`` the order of its steps; ``batch`` what a batch may be and how it goes through a
model; ``weights`` what a loss averaged over; ``measure`` evaluation; ``processes`` what
``torchrun`` needs; ``options`` what is refused; ``checkpoint`` and ``resume`` the file of a run;
``rates`` learning rates.
"""

from helpers.models.ensemble import Ensemble
from helpers.train.batch import Step, supervised, to_device
from helpers.train.callbacks import EarlyStopping, State, TensorBoard
from helpers.train.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from helpers.train.history import History
from helpers.train.loop import fit
from helpers.train.measure import evaluate, predict
from helpers.train.metrics import accuracy
from helpers.train.rates import lr_range_test, param_groups

__all__ = [
    "CheckpointError",
    "EarlyStopping",
    "Ensemble",
    "History",
    "State",
    "Step",
    "TensorBoard",
    "accuracy",
    "evaluate",
    "fit",
    "load_checkpoint",
    "lr_range_test",
    "param_groups",
    "predict",
    "save_checkpoint",
    "supervised",
    "to_device",
]

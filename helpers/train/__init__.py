"""The training loop of the course, and what belongs to it.

Taught by hand in notebooks/08_training_process.ipynb; imported everywhere after.
"""

from helpers.train.callbacks import EarlyStopping, State, TensorBoard
from helpers.train.checkpoint import load_checkpoint, save_checkpoint
from helpers.train.history import History
from helpers.train.loop import accuracy, evaluate, fit, predict
from helpers.train.tools import Ensemble, lr_range_test, param_groups

__all__ = [
    "EarlyStopping",
    "Ensemble",
    "History",
    "State",
    "TensorBoard",
    "accuracy",
    "evaluate",
    "fit",
    "load_checkpoint",
    "lr_range_test",
    "param_groups",
    "predict",
    "save_checkpoint",
]

"""Ways to train that tools/bench_loop.py compares: by hand, by ``fit``, by other libraries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from helpers import train

BATCH = 32
EPOCHS = 5
LEARNING_RATE = 0.01
BASELINE = "hand-written"


@dataclass
class Task:
    """What a competitor gets: fresh model and optimiser, and the data."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loader: Any
    dataset: TensorDataset
    stamps: list[float]


def run_by_hand(task: Task) -> None:
    """Train with the loop that everybody writes."""
    model, optimizer = task.model, task.optimizer
    model.train()
    for _ in range(EPOCHS):
        total = 0.0
        for x, y in task.loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item()


def run_fit(task: Task) -> None:
    """Train with ``helpers.train.fit``."""
    train.fit(
        task.model,
        task.loader,
        None,
        F.cross_entropy,
        task.optimizer,
        epochs=EPOCHS,
        device="cpu",
        verbose=0,
    )


def run_lightning(task: Task) -> None:
    """Train with Lightning's Trainer."""
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = task.model

        def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
            x, y = batch
            return F.cross_entropy(self.model(x), y)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return task.optimizer

    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Module(), task.loader)


def run_fabric(task: Task) -> None:
    """Train with the hand-written loop on Lightning Fabric."""
    import lightning

    fabric = lightning.Fabric(accelerator="cpu", devices=1)
    model, optimizer = fabric.setup(task.model, task.optimizer)
    loader = fabric.setup_dataloaders(task.loader)
    model.train()
    for _ in range(EPOCHS):
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            fabric.backward(loss)
            optimizer.step()
            total += loss.item()


def run_ignite(task: Task) -> None:
    """Train with ignite's supervised trainer."""
    from ignite.engine import create_supervised_trainer

    trainer = create_supervised_trainer(task.model, task.optimizer, F.cross_entropy)
    trainer.run(task.loader, max_epochs=EPOCHS)


def run_skorch(task: Task) -> None:
    """Train with skorch's NeuralNet; it makes optimiser and loader itself, by the same recipe."""
    import skorch

    def make_loader(dataset: TensorDataset, **options: Any) -> DataLoader:
        return task.loader

    net = skorch.NeuralNet(
        task.model,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        lr=LEARNING_RATE,
        batch_size=BATCH,
        max_epochs=EPOCHS,
        iterator_train=make_loader,
        train_split=None,
        callbacks__print_log=None,
        verbose=0,
    )
    net.fit(task.dataset, y=None)


@dataclass(frozen=True)
class Competitor:
    """A way to train, the package it needs, and the loader it gets."""

    run: Callable[[Task], None]
    package: str = ""
    tensor_loader: bool = False


COMPETITORS = {
    BASELINE: Competitor(run_by_hand),
    "fit, DataLoader": Competitor(run_fit),
    "fit, TensorLoader": Competitor(run_fit, tensor_loader=True),
    "Lightning Trainer": Competitor(run_lightning, "lightning"),
    "Lightning Fabric": Competitor(run_fabric, "lightning"),
    "ignite": Competitor(run_ignite, "pytorch-ignite"),
    "skorch": Competitor(run_skorch, "skorch"),
}
MODULES = {"lightning": "lightning", "pytorch-ignite": "ignite", "skorch": "skorch"}

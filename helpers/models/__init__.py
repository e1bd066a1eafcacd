"""The networks of the course. Every model returns logits (or a raw regression output).

One file a family; each class names the source that specifies it, its input and output shapes
and its parameter count, which a test compares with the ledger.
"""

from helpers.models.convnets import CNNNet, LeNet, MnistCNN, Net, NetBatchNorm, NetDropout
from helpers.models.efficientnet import EfficientNetLite0, efficientnet_lite0
from helpers.models.mlp import MLP
from helpers.models.resnets import NetResDeep, ResBlock
from helpers.models.summary import count_parameters, source, summarize

__all__ = [
    "MLP",
    "CNNNet",
    "EfficientNetLite0",
    "LeNet",
    "MnistCNN",
    "Net",
    "NetBatchNorm",
    "NetDropout",
    "NetResDeep",
    "ResBlock",
    "count_parameters",
    "efficientnet_lite0",
    "source",
    "summarize",
]

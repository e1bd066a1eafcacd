"""Fashion-MNIST: 60,000 + 10,000 pictures of clothes in MNIST's format.

Debian's package `dataset-fashion-mnist` has the same files: where the hosts cannot be reached,
unpack it (`dpkg -x`) and name a folder as `COURSE_DATA_MIRROR` in which `fashion-mnist` is its
`usr/share/datasets/fashion-mnist`.
"""

from __future__ import annotations

from .._core import DataSet, File, StandIn
from .._images import patterns, read_images

# The second host has no https; the SHA-256 protects the content.
_HOSTS = (
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
)


def _file(name: str, size: int, sha256: str) -> File:
    urls = tuple(f"{host}/{name}.gz" for host in _HOSTS)
    return File(name, urls, sha256, size, f"fashion-mnist/{name}.gz", "gz")


DATASETS = (
    DataSet(
        name="fashion_mnist",
        title="Fashion-MNIST",
        home="https://github.com/zalandoresearch/fashion-mnist",
        licence="MIT",
        citation=(
            "Xiao, Rasul, Vollgraf: Fashion-MNIST: a novel image dataset for benchmarking "
            "machine learning algorithms (2017), https://arxiv.org/abs/1708.07747"
        ),
        prepare=read_images,
        files=(
            _file(
                "train-images-idx3-ubyte",
                47_040_016,
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            ),
            _file(
                "train-labels-idx1-ubyte",
                60_008,
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            ),
            _file(
                "t10k-images-idx3-ubyte",
                7_840_016,
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            ),
            _file(
                "t10k-labels-idx1-ubyte",
                10_008,
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        ),
        standin=StandIn(
            patterns,
            "generated 28×28 patterns of ten classes (stripes, discs, frames and others)",
            "results are not Fashion-MNIST results",
        ),
    ),
)

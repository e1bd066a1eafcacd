"""A pretended CUDA machine on which helpers.timing runs without a GPU.

Tensors of "cuda" are meta tensors, which have shapes and no values. Every operation on them costs
time on two clocks, the host's for its launch and the device's for its kernel, and what it
allocates is counted. Events, streams and the capture of graphs follow the rules of CUDA, those of
a failed capture included.
"""

import contextlib
import weakref
from types import SimpleNamespace

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# Seconds of a launch, a kernel and the upload of a graph, and bytes a second of the memory. All
# are 20 times slower than on a real card: a test then fills its time with fewer calls.
LAUNCH, KERNEL, UPLOAD, BANDWIDTH = 160e-6, 60e-6, 20e-3, 1.5e11


class FakeCuda:
    """The machine; the fixture ``cuda`` installs it.

    Attributes:
        bandwidth: bytes a second of its memory: what a flush of the L2 cache takes.
        capability: compute capability.
        refuse: called with each operation and its result; may raise.
        seconds: called with each operation and its result; the time of the kernel.
        log: (name of the kernel, its stream, captured or not), in the order launched.
    """

    def __init__(self):
        self.bandwidth, self.capability, self.devices = BANDWIDTH, (9, 0), 2
        self.refuse = lambda func, result: None
        self.seconds = lambda func, result: KERNEL
        self.host = self.free = 0.0
        self.allocated = self.peak = self.limit = 0
        self.log, self.capturing, self.broken = [], None, False
        self.current, self.streams = 0, {}

    def kernel(self, name, seconds):
        """Launch a kernel: the host goes on, the device gets to it when it can."""
        stream = self.current_stream()
        self.log.append((name, stream, self.capturing is not None))
        if self.capturing is not None:
            self.capturing.kernels.append(seconds)
            return
        self.host += LAUNCH
        self.free = max(self.free, self.host) + seconds

    def synchronize(self, device=None):
        if self.capturing is not None:
            self.broken = True
            raise RuntimeError("operation not permitted when stream is capturing")
        self.host = max(self.host, self.free)

    def allocate(self, tensor):
        size = tensor.untyped_storage().nbytes()
        if self.limit and self.allocated + size > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate much.\nSee more")
        self.allocated += size
        self.peak = max(self.peak, self.allocated)
        weakref.finalize(tensor, self.release, size)

    def release(self, size):
        self.allocated -= size

    def reset_peak(self, device=None):
        self.peak = self.allocated

    def default_stream(self):
        return self.streams.setdefault(self.current, Stream(self))

    def current_stream(self, device=None):
        return self.streams.get("current") or self.default_stream()

    def set_stream(self, stream):
        self.streams["current"] = None if stream is self.default_stream() else stream

    @contextlib.contextmanager
    def stream(self, stream):
        before = self.current_stream()
        self.set_stream(stream)
        yield
        self.set_stream(before)  # as in torch: not reached if the body of a capture failed

    @contextlib.contextmanager
    def device(self, device):
        before, self.current = self.current, torch.device(device).index or 0
        try:
            yield
        finally:
            self.current = before

    def properties(self, device=None):
        return SimpleNamespace(
            name="Pretender",
            total_memory=2**34,
            L2_cache_size=2**25,
            multi_processor_count=8,
            major=self.capability[0],
            minor=self.capability[1],
            uuid="1234",
        )

    def install(self, monkeypatch):
        """Put this machine in the place of ``torch.cuda``."""
        autocast = torch.autocast
        for name, value in {
            "is_available": lambda: True,
            "device_count": lambda: self.devices,
            "current_device": lambda: self.current,
            "device": self.device,
            "get_device_properties": self.properties,
            "get_device_name": lambda device=None: "Pretender",
            "mem_get_info": lambda device=None: (2**28, 2**34),
            "Event": lambda enable_timing: Event(self),
            "Stream": lambda: Stream(self),
            "stream": self.stream,
            "current_stream": self.current_stream,
            "set_stream": self.set_stream,
            "CUDAGraph": lambda: Graph(self),
            "graph": Capture,
            "synchronize": self.synchronize,
            "memory_allocated": lambda device=None: self.allocated,
            "max_memory_allocated": lambda device=None: self.peak,
            "reset_peak_memory_stats": self.reset_peak,
            "get_rng_state": lambda device=None: None,
            "set_rng_state": lambda state, device=None: None,
        }.items():
            monkeypatch.setattr(torch.cuda, name, value)
        monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
        monkeypatch.setattr(torch.accelerator, "synchronize", self.synchronize)
        monkeypatch.setattr(
            torch, "autocast", lambda kind, *a, **k: autocast(kind.replace("meta", "cpu"), *a, **k)
        )
        monkeypatch.setattr(Capture, "default_stream", None)


class Stream:
    """A stream; all streams of this machine share one queue."""

    def __init__(self, machine):
        self.device_index = machine.current

    def wait_stream(self, stream):
        pass


class Event:
    """The device's time at which everything launched before the event was done."""

    def __init__(self, machine):
        self.machine = machine

    def record(self):
        self.time = max(self.machine.free, self.machine.host)

    def elapsed_time(self, end):
        assert self.machine.host >= end.time, "read before synchronize"
        return 1e3 * (end.time - self.time)


class Graph:
    """Kernels in a row with one launch. The first replay uploads them."""

    def __init__(self, machine):
        self.machine, self.kernels, self.uploaded = machine, [], False

    def replay(self):
        self.machine.kernel("replay", sum(self.kernels) + (0.0 if self.uploaded else UPLOAD))
        self.uploaded = True


class Capture:
    """``torch.cuda.graph``: the order of its steps, and one stream of its own for all captures."""

    default_stream = None

    def __init__(self, graph, stream=None):
        if stream is None and Capture.default_stream is None:
            Capture.default_stream = Stream(graph.machine)
        self.graph, self.machine = graph, graph.machine
        self.context = self.machine.stream(stream or Capture.default_stream)

    def __enter__(self):
        self.machine.synchronize()
        self.context.__enter__()
        self.machine.capturing, self.machine.broken = self.graph, False

    def __exit__(self, *error):
        self.machine.capturing = None
        if self.machine.broken:
            raise RuntimeError("operation failed due to a previous error during capture")
        self.context.__exit__(*error)


def on_cuda(value):
    return isinstance(value, (str, torch.device)) and str(value).startswith("cuda")


class _Devices(TorchFunctionMode):
    """Read "cuda" as "meta"."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.device:
            return func(*args, **(kwargs or {}))
        kwargs = {name: value for name, value in (kwargs or {}).items() if name != "pin_memory"}
        if on_cuda(kwargs.get("device")):
            kwargs["device"] = "meta"
        return func(*("meta" if on_cuda(a) else a for a in args), **kwargs)


class _Launches(TorchDispatchMode):
    """Count what operations on the device cost."""

    def __init__(self, machine):
        super().__init__()
        self.machine = machine

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        leaves = torch.utils._pytree.tree_leaves
        tensors = [a for a in leaves((args, kwargs)) if isinstance(a, torch.Tensor)]
        if func is torch.ops.aten.copy_.default and tensors[0].is_cpu and tensors[1].is_meta:
            self.machine.kernel("copy to host", KERNEL)  # meta tensors have no values to copy
            return args[0]
        result = func(*args, **kwargs)
        made = [t for t in leaves(result) if isinstance(t, torch.Tensor) and t.is_meta]
        if not made or func.is_view:
            return result
        self.machine.refuse(func, made[0])
        inputs = {id(tensor) for tensor in tensors}
        for tensor in made:
            if id(tensor) not in inputs:
                self.machine.allocate(tensor)
        if func is torch.ops.aten.zero_.default and made[0].nbytes >= 2**24:
            self.machine.kernel("flush", made[0].nbytes / self.machine.bandwidth)
        elif "empty" not in str(func):
            self.machine.kernel(str(func), self.machine.seconds(func, made[0]))
        return result


@contextlib.contextmanager
def pretend_cuda(monkeypatch):
    """Run the body on a machine with two pretended CUDA devices."""
    machine = FakeCuda()
    machine.install(monkeypatch)
    with _Devices(), _Launches(machine):
        yield machine

"""A pretend accelerator: the device ``sim:0`` computes on the CPU and refuses CPU tensors, as CUDA.

``install()`` registers the device with PyTorch, once a process and for good, so call it only in a
process of its own (`tests/run_chapter.py`). A chapter that forgets a ``.to(device)``, calls
``.numpy()`` on a tensor of the device, or draws there with a CPU generator, fails on it as it would
on the first GPU.

How it works: a tensor of the device is a :class:`SimTensor`, a wrapper around a CPU tensor. PyTorch
dispatches every operation that takes one to :func:`_dispatch`, below autograd; that checks the
devices, computes with the CPU tensors and wraps the result. PyTorch's own factories and copies
reach the same function through the backend key ``PrivateUse1``. No dispatch mode is active (but
see :class:`SimGenerator`), so that work on CPU tensors, ``torch.compile`` and ``torch.export``
included, runs as if the device were not there.

The rules of mixing are those of CUDA: TensorIterator takes zero-dimensional CPU tensors as inputs
of elementwise operations (never as the tensor written to), indices may lie on the CPU, copies may
cross; everything else is refused.

What it cannot do: streams and events, nested tensors, ``tensor.data = other`` across devices, and
``model.to(device)`` while a graph that the model made on the CPU is alive ("Couldn't swap"). Its
random numbers are those of the CPU's generator. Registering a backend from Python is experimental
in PyTorch; seen with torch 2.14.1.

Example:
    >>> DEVICE = install()  # doctest: +SKIP
    >>> torch.ones(2, device=DEVICE) + torch.ones(2)  # doctest: +SKIP
    RuntimeError: Expected all tensors to be on the same device, but found ... sim:0 and cpu
"""

import functools
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.utils.backend_registration as registration
from torch._decomp import decompositions
from torch.autograd.function import once_differentiable
from torch.optim import optimizer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

NAME = "sim"
aten = torch.ops.aten

# CUDA takes CPU tensors as these arguments, by position: indices and the lengths of sequences ...
MAY_BE_ON_CPU = {
    aten.index.Tensor: (1,),
    aten._unsafe_index.Tensor: (1,),
    aten.index_put.default: (1,),
    aten.index_put_.default: (1,),
    aten._index_put_impl_.default: (1,),
    aten._unsafe_index_put.default: (1,),
    aten._pack_padded_sequence.default: (1,),
    aten._pack_padded_sequence_backward.default: (2,),
    aten._pad_packed_sequence.default: (1,),
}
# ... and 0-dimensional tensors as these, beside the inputs of elementwise operations.
VALUES = {
    aten.index_put.default: (2,),
    aten.index_put_.default: (2,),
    aten._index_put_impl_.default: (2,),
    aten._unsafe_index_put.default: (2,),
    aten.fill_.Tensor: (1,),
    aten.fill.Tensor: (1,),
}
# Of what these return, the second stays on the CPU: sizes and lengths, for Python to read.
SECOND_ON_CPU = {aten._pack_padded_sequence.default, aten._pad_packed_sequence.default}
ACROSS = {aten.copy_.default, aten._to_copy.default}
TO_PYTHON = {aten._local_scalar_dense.default, aten.equal.default, aten.is_same_size.default}


class SimTensor(torch.Tensor):
    """A tensor that lies on the pretend accelerator; ``raw`` is the CPU tensor that it wraps."""

    raw: torch.Tensor

    @staticmethod
    def __new__(cls, raw):
        if torch.is_inference_mode_enabled() and not raw.is_inference():
            with torch.inference_mode(False):  # a view of an ordinary tensor is an ordinary one
                return cls(raw)
        dense = raw.layout == torch.strided
        tensor = torch.Tensor._make_wrapper_subclass(
            cls,
            raw.shape,
            strides=raw.stride() if dense else None,
            storage_offset=raw.storage_offset() if dense else None,
            dtype=raw.dtype,
            layout=raw.layout,
            device=torch.device(NAME, 0),
        )
        tensor.raw = raw
        return tensor

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _dispatch(func, *args, **(kwargs or {}))

    def __repr__(self, *, tensor_contents=None):
        notes = [f"device='{self.device}'"]
        if self.grad_fn is not None:
            notes.append(f"grad_fn=<{self.grad_fn.name()}>")
        elif self.requires_grad:
            notes.append("requires_grad=True")
        return f"{repr(self.raw)[:-1]}, {', '.join(notes)})"

    def __format__(self, spec):
        return format(self.item(), spec) if self.dim() == 0 else object.__format__(self, spec)

    def tolist(self):
        return self.raw.tolist()

    def numpy(self, *, force=False):
        if force:
            return self.raw.numpy()
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. "
            "Use Tensor.cpu() to copy the tensor to host memory first."
        )

    def __array__(self, dtype=None, copy=None):
        return self.numpy()

    def __getitem__(self, index):
        return super().__getitem__(_listed(index))

    def __setitem__(self, index, value):
        super().__setitem__(_listed(index), value)

    def data_ptr(self):
        return self.raw.data_ptr()

    def untyped_storage(self):
        return self.raw.untyped_storage()

    @property
    def data(self):
        return torch.Tensor.data.__get__(self)

    @data.setter
    def data(self, value):
        torch.Tensor.data.__set__(self, value)
        self.raw = value.raw

    def pin_memory(self, device=None):
        raise RuntimeError(f"cannot pin '{self.type()}' only dense CPU tensors can be pinned")

    def __deepcopy__(self, memo):
        if not self.is_leaf:
            raise RuntimeError("Only Tensors created explicitly by the user support deepcopy")
        if id(self) not in memo:
            copied = SimTensor(self.raw.clone()).requires_grad_(self.requires_grad)
            copied.__dict__.update({k: v for k, v in self.__dict__.items() if k != "raw"})
            if self.grad is not None:
                copied.grad = self.grad.__deepcopy__(memo)
            memo[id(self)] = copied
        return memo[id(self)]

    def __reduce_ex__(self, protocol):
        # Saved as a plain tensor whose storage is marked; see _patch_serialization.
        self.raw.untyped_storage().on_sim = True
        plain = self.raw.detach().requires_grad_(self.requires_grad)
        if isinstance(self, torch.nn.Parameter):
            plain = torch.nn.Parameter(plain, requires_grad=self.requires_grad)
        return plain.__reduce_ex__(protocol)


def _listed(index):
    """Make tensors of the lists in an index; PyTorch would make them on the device, in C++."""
    if isinstance(index, tuple):
        return tuple(_listed(part) for part in index)
    if isinstance(index, list) and all(isinstance(part, int) for part in index):
        return torch.tensor(index)
    return index


def is_sim(device):
    """Tell whether a device, or what names one, is the pretend accelerator."""
    return device is not None and torch.device(device).type == NAME


# --- one operation --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Schema:
    """What an operation's schema says about mixing and about what it returns."""

    composite: bool  # it is made of others, which are dispatched one by one
    scalars: bool  # 0-dimensional CPU tensors may be mixed in
    written: frozenset  # positions and names of the arguments that it writes to
    returns: tuple  # for each value returned: the position or name of the argument, or None
    reshapes: bool  # it may change the shape of what it writes to


_schemas = {}  # by id: operations live for ever, and their own hash is slow


def _schema(func):
    known = _schemas.get(id(func))
    if known is None:
        known = _schemas[id(func)] = _read_schema(func)
    return known


def _read_schema(func):
    owner, written, named_out = {}, set(), False
    for position, argument in enumerate(func._schema.arguments):
        alias = argument.alias_info
        if alias is not None and alias.is_write:
            key = argument.name if argument.kwarg_only else position
            written.add(key)
            owner.update(dict.fromkeys(alias.before_set, key))
            named_out |= argument.kwarg_only
    aliases = [value.alias_info for value in func._schema.returns]
    return _Schema(
        composite=func._can_decompose(),
        scalars=torch.Tag.pointwise in func.tags,
        written=frozenset(written),
        returns=tuple(
            next((owner[s] for s in alias.before_set if s in owner), None) if alias else None
            for alias in aliases
        ),
        reshapes=named_out or torch.Tag.inplace_view in func.tags or "resize" in func.name(),
    )


class _Unwrapped:
    """The arguments of an operation as CPU tensors, and which of them lie where."""

    __slots__ = ("on_cpu", "on_sim")

    def __init__(self):
        self.on_sim = False
        self.on_cpu = []  # (argument, tensor)

    def value(self, key, value):
        """Return one argument for the CPU."""
        if isinstance(value, SimTensor):
            self.on_sim = True
            return value.raw
        if isinstance(value, torch.Tensor):
            self.on_cpu.append((key, value))
        elif isinstance(value, (list, tuple)):
            return type(value)([self.value(key, v) for v in value])
        elif isinstance(value, torch.device) and value.type == NAME:
            return torch.device("cpu")
        return value


def _wrap(value):
    if isinstance(value, torch.Tensor):
        return SimTensor(value)
    if isinstance(value, (list, tuple)):
        return type(value)([_wrap(v) for v in value])
    return value


def _refuse_mixed(func, on_cpu):
    """Raise what CUDA raises if an operation takes tensors of both devices."""
    schema = _schema(func)
    for key, tensor in on_cpu:
        scalar = tensor.dim() == 0 and key not in schema.written
        if key in MAY_BE_ON_CPU.get(func, ()) or (
            scalar and (schema.scalars or key in VALUES.get(func, ()))
        ):
            continue
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{NAME}:0 and {tensor.device}! (when checking argument {key} of {func})"
        )


def _refuse_generator(func, generator, device):
    found = NAME if generator._cdata in SimGenerator.made else "cpu"
    if found != device:
        raise RuntimeError(
            f"Expected a '{device}' device type for generator but found '{found}' in {func}"
        )


def _dispatch(func, *args, **kwargs):
    """Compute one operation that takes a tensor of the device or makes one."""
    schema = _schema(func)
    if schema.composite:  # these arrive only in inference mode
        return WHOLE.get(func, func.decompose)(*args, **kwargs)
    found = _Unwrapped()
    plain = [found.value(position, value) for position, value in enumerate(args)]
    options = {name: found.value(name, value) for name, value in kwargs.items()}
    device = kwargs.get("device")
    on_sim = found.on_sim if device is None else is_sim(device)
    if found.on_sim and found.on_cpu and func not in ACROSS:
        _refuse_mixed(func, found.on_cpu)
    if kwargs.get("generator") is not None:
        _refuse_generator(func, kwargs["generator"], NAME if on_sim else "cpu")
    if on_sim and kwargs.get("pin_memory"):
        raise RuntimeError("only dense CPU tensors can be pinned")
    out = func(*plain, **options)
    if schema.written:
        return _written(schema, args, kwargs, out)
    if func in SECOND_ON_CPU:
        return _wrap(out[0]), out[1]
    return _wrap(out) if on_sim and func not in TO_PYTHON else out


def _written(schema, args, kwargs, out):
    """Return the arguments that an operation wrote to, in the order of what it returned."""

    def argument(key):
        return kwargs[key] if isinstance(key, str) else args[key]

    if schema.reshapes:
        for key in schema.written:
            if isinstance(argument(key), SimTensor):
                argument(key).data = SimTensor(argument(key).raw)
    if not schema.returns:
        return None
    outs = out if len(schema.returns) > 1 else (out,)
    returned = tuple(
        _wrap(value) if key is None else argument(key)
        for value, key in zip(outs, schema.returns, strict=True)
    )
    return returned if len(returned) > 1 else returned[0]


# --- recurrent layers: an accelerator computes each in one operation ------------------------------


class _Recurrent(torch.autograd.Function):
    """One recurrent layer on the CPU, its steps hidden; differentiable once, as cuDNN's is."""

    @staticmethod
    def forward(ctx, func, structure, *leaves):
        ctx.inputs = [
            leaf.raw.detach().requires_grad_(leaf.requires_grad)
            if isinstance(leaf, SimTensor)
            else leaf
            for leaf in leaves
        ]
        with torch.enable_grad():
            ctx.outs = func(*tree_unflatten(ctx.inputs, structure))
        return tuple(SimTensor(out.detach()) for out in ctx.outs)

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):
        wanted = [
            i for i, x in enumerate(ctx.inputs) if isinstance(x, torch.Tensor) and x.requires_grad
        ]
        found = torch.autograd.grad(
            ctx.outs,
            [ctx.inputs[i] for i in wanted],
            [grad.raw for grad in grads],
            retain_graph=True,
        )
        result = [None] * len(ctx.inputs)
        for i, grad in zip(wanted, found, strict=True):
            result[i] = SimTensor(grad)
        return None, None, *result


def _recurrent(func, by_steps):
    """Return the kernel of a layer; under autocast its steps are dispatched, and so are narrow."""

    def kernel(*args):
        if torch.is_autocast_enabled(NAME):
            return by_steps(*args)
        found = _Unwrapped()
        plain = [found.value(position, value) for position, value in enumerate(args)]
        lengths = 1 if func._overloadname == "data" else None  # CUDA, too, has them on the CPU
        _refuse_mixed(func, [(key, tensor) for key, tensor in found.on_cpu if key != lengths])
        leaves, structure = tree_flatten(args)
        if torch.is_grad_enabled() and any(getattr(leaf, "requires_grad", 0) for leaf in leaves):
            return _Recurrent.apply(func, structure, *leaves)
        return tuple(_wrap(out) for out in func(*plain))

    return kernel


def _lstm_cell(inputs, state, w_ih, w_hh, b_ih=None, b_hh=None):
    hidden, cell = state
    gates = aten.linear(inputs, w_ih, b_ih) + aten.linear(hidden, w_hh, b_hh)
    i, f, g, o = gates.chunk(4, 1)
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


def _gru_cell(inputs, hidden, w_ih, w_hh, b_ih=None, b_hh=None):
    r_in, z_in, n_in = aten.linear(inputs, w_ih, b_ih).chunk(3, 1)
    r_h, z_h, n_h = aten.linear(hidden, w_hh, b_hh).chunk(3, 1)
    new = (n_in + (r_in + r_h).sigmoid() * n_h).tanh()
    return new + (z_in + z_h).sigmoid() * (hidden - new)


_BY_STEPS = {
    aten.lstm.input: decompositions.lstm_impl,
    aten.lstm.data: decompositions.lstm_data_impl,
    aten.gru.input: decompositions.gru_impl,
    aten.gru.data: decompositions.gru_impl_data,
    aten.rnn_tanh.input: decompositions.rnn_tanh_input,
    aten.rnn_tanh.data: decompositions.rnn_tanh_data,
    aten.rnn_relu.input: decompositions.rnn_relu_input,
    aten.rnn_relu.data: decompositions.rnn_relu_data,
}
WHOLE = {
    **{func: _recurrent(func, by_steps) for func, by_steps in _BY_STEPS.items()},
    aten.lstm_cell.default: _lstm_cell,
    aten.gru_cell.default: _gru_cell,
}

# --- autocast: PyTorch's lists for CUDA, as far as networks use them ------------------------------

# fmt: off
LOW = (
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "linear", "matmul", "mm", "mv", "addmm", "addmv", "bmm", "baddbmm", "einsum", "prelu",
    "scaled_dot_product_attention",
)
FLOAT32 = (
    "exp", "log", "log2", "log10", "pow", "rsqrt", "reciprocal", "softplus", "layer_norm",
    "group_norm", "softmax", "log_softmax", "cumsum", "cumprod", "prod", "sum", "logsumexp", "norm",
    "linalg_vector_norm", "nll_loss", "nll_loss_nd", "mse_loss", "l1_loss", "huber_loss",
    "smooth_l1_loss", "kl_div", "cross_entropy_loss", "binary_cross_entropy_with_logits",
    "cosine_similarity",
)
# fmt: on
WIDEST = ("cat", "stack", "index_put", "scatter_add")


def _cast(value, dtype):
    if isinstance(value, torch.Tensor):
        narrow = value.is_floating_point() and value.dtype != torch.float64
        return value.to(dtype) if narrow and value.dtype != dtype else value
    if isinstance(value, (list, tuple)):
        return type(value)(_cast(v, dtype) for v in value)
    return value


def _autocast_kernel(func, choose):
    keys = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)

    def kernel(*args, **kwargs):
        dtype = choose(args)
        with torch._C._ExcludeDispatchKeyGuard(keys):
            return func(
                *(_cast(a, dtype) for a in args), **{k: _cast(v, dtype) for k, v in kwargs.items()}
            )

    return kernel


def _widest(args):
    tensors = [t for t in tree_leaves(args) if isinstance(t, torch.Tensor)]
    dtypes = [t.dtype for t in tensors if t.is_floating_point()]
    return functools.reduce(torch.promote_types, dtypes, torch.get_autocast_dtype(NAME))


def _register_autocast(library):
    rules = [
        (LOW, lambda args: torch.get_autocast_dtype(NAME)),
        (FLOAT32, lambda args: torch.float32),
        (WIDEST, _widest),
    ]
    for names, choose in rules:
        for name in names:
            packet = getattr(aten, name)
            for overload in packet.overloads():
                func = getattr(packet, overload)
                exists = torch._C._dispatch_has_kernel(func.name())
                if exists and not _schema(func).written:
                    qualified = name if overload == "default" else f"{name}.{overload}"
                    library.impl(qualified, _autocast_kernel(func, choose), "AutocastPrivateUse1")


# --- random numbers -------------------------------------------------------------------------------


class SimGenerator(torch._C.Generator):
    """A generator of the device.

    Beneath it is one of the CPU, which CPU operations would take. So from the first one on, a
    dispatch mode looks at every operation that is given a generator. An operation gets the C++
    object in another Python object, so the address tells which it is.
    """

    made: ClassVar[dict[int, torch._C.Generator]] = {}

    def __new__(cls):
        generator = super().__new__(cls)
        if not cls.made:
            _RefuseSimGenerator().__enter__()
        cls.made[generator._cdata] = generator  # kept, so that no other gets its address
        return generator

    @property
    def device(self):
        return torch.device(NAME, 0)


class _RefuseSimGenerator(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if any(t is SimTensor for t in types) or is_sim(kwargs.get("device")):
            return _dispatch(func, *args, **kwargs)
        if kwargs.get("generator") is not None:
            _refuse_generator(func, kwargs["generator"], "cpu")
        return func(*args, **kwargs)


class _AnyGenerator(type):
    """``torch.Generator(device)`` makes one of either kind; both are instances of it."""

    def __call__(cls, device="cpu"):
        return SimGenerator() if is_sim(device) else torch._C.Generator(device)

    def __instancecheck__(cls, instance):
        return isinstance(instance, torch._C.Generator)


class Generator(metaclass=_AnyGenerator):
    """What ``torch.Generator`` names after :func:`install`."""


# --- saving and loading ---------------------------------------------------------------------------


def _patch_serialization():
    """Let `torch.save` keep the device of a tensor, and `torch.load` and `map_location` obey it."""

    def tag(storage):
        return f"{NAME}:0" if getattr(storage, "on_sim", False) else None

    def restore(storage, location):
        if location.split(":")[0] != NAME:
            return None
        storage.on_sim = True
        return storage

    torch.serialization.register_package(0, tag, restore)
    rebuild = torch._utils._rebuild_tensor

    def rebuild_on_device(storage, *args):
        untyped = getattr(storage, "_untyped_storage", storage)
        tensor = rebuild(storage, *args)
        return SimTensor(tensor) if getattr(untyped, "on_sim", False) else tensor

    torch._utils._rebuild_tensor = rebuild_on_device


# --- the device -----------------------------------------------------------------------------------


class _Module(registration._DummyBackendModule):
    """What PyTorch asks of ``torch.sim``."""

    def synchronize(self, device=None):
        pass

    def set_device(self, device):
        pass

    def get_amp_supported_dtype(self):
        return [torch.float16, torch.bfloat16]

    def get_rng_state(self, device=None):
        return torch.get_rng_state()

    def set_rng_state(self, state, device=None):
        torch.set_rng_state(state)

    def get_device_name(self, device=None):
        return "pretend accelerator"


_libraries = []  # what is registered lasts as long as its library object


def _register_kernels():
    backend = torch.library.Library("_", "IMPL")
    for key in ("PrivateUse1", "SparsePrivateUse1"):
        backend.fallback(_dispatch, key)
    backend.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    operators = torch.library.Library("aten", "IMPL")
    for func, kernel in WHOLE.items():
        operators.impl(func.name().removesuffix(".default"), kernel, "AutogradPrivateUse1")
    _register_autocast(operators)
    _libraries.extend([backend, operators])


def _patch_construction():
    """Make tensors from Python data on the CPU and move them: inside, no wrapper can be made."""

    def on_device(make):
        @functools.wraps(make)
        def made(*args, device=None, requires_grad=False, **options):
            if not is_sim(device):
                return make(*args, device=device, requires_grad=requires_grad, **options)
            return make(*args, **options).to(device).requires_grad_(requires_grad)

        return made

    torch.tensor = on_device(torch.tensor)

    as_tensor = torch.as_tensor

    @functools.wraps(as_tensor)
    def moved(data, dtype=None, device=None):
        if isinstance(data, torch.Tensor):
            return data.to(device=device or data.device, dtype=dtype or data.dtype)
        made = as_tensor(data, dtype=dtype)
        return made if device is None else made.to(device)

    torch.as_tensor = moved

    def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False):
        return torch.tensor(
            data,
            dtype=dtype or self.dtype,
            device=device or self.device,
            requires_grad=requires_grad,
        )

    SimTensor.new_tensor = new_tensor


def _patch_host_memory():
    """Pinned memory needs an allocator in C++: a pinned tensor is a marked copy."""

    def pin_memory(tensor, device=None):
        pinned = tensor.clone()
        pinned.untyped_storage().pinned = True
        return pinned

    def is_pinned(tensor, device=None):
        return getattr(tensor.untyped_storage(), "pinned", False)

    torch.Tensor.pin_memory = pin_memory
    torch.Tensor.is_pinned = is_pinned


def _patch_recurrent_loading():
    """Let recurrent layers load a state: their weak references would forbid to swap weights.

    ``RNNBase._apply`` drops and renews them in the same way when a layer is moved.
    """
    original = torch.nn.RNNBase._load_from_state_dict

    def load(self, *args, **kwargs):
        self._flat_weight_refs = []
        original(self, *args, **kwargs)
        self._init_flat_weights()

    torch.nn.RNNBase._load_from_state_dict = load


@functools.cache
def install():
    """Register the device with PyTorch, for the rest of this process, and return it."""
    registration._setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
    _register_kernels()
    _patch_serialization()
    _patch_construction()
    _patch_host_memory()
    _patch_recurrent_loading()
    torch.Generator = Generator
    torch.accelerator.synchronize = lambda device=None: None
    # On threads of the device, as by default, each operation waits for Python's lock.
    torch.autograd.set_multithreading_enabled(False)
    optimizer._foreach_supported_types.append(SimTensor)  # as on CUDA, and fewer operations
    # nn.Module.to must keep the identity of parameters, since optimisers hold them.
    torch.__future__.set_swap_module_params_on_conversion(True)
    # The fused encoder layer makes nested tensors, which no wrapper can hold.
    torch.backends.mha.set_fastpath_enabled(False)
    return torch.device(NAME, 0)

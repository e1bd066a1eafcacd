"""Answers to the exercises of chapter 03; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: NumPy first, torch last
def to_tensor(array):
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    planes = np.ascontiguousarray(np.moveaxis(array[:, :, :3], 2, 0))
    return torch.tensor(planes, dtype=torch.float32) / 255


# %% exercise 1, right: with the functions of torchvision
def to_tensor(array):
    picture = v2.functional.to_image(array)  # (C, H, W), grey with one channel
    return v2.functional.to_dtype(picture[:3].repeat(4 // len(picture), 1, 1)[:3], scale=True)


# %% exercise 1, right: one plane after the other
def to_tensor(array):
    planes = [array] * 3 if array.ndim == 2 else [array[..., c] for c in range(3)]
    return torch.stack([torch.from_numpy(plane.astype(np.float32)) / 255 for plane in planes])


# %% exercise 1, wrong: reshape instead of permute (must say: the pixels are in the wrong places)
def to_tensor(array):
    if array.ndim == 2:
        array = np.stack([array] * 3, axis=2)
    return torch.from_numpy(array[..., :3].copy()).reshape(3, *array.shape[:2]).float() / 255


# %% exercise 1, wrong: each picture by its own range (must say: taken from this picture)
def to_tensor(array):
    tensor = torch.from_numpy(array).float()
    if tensor.ndim == 2:
        tensor = tensor.unsqueeze(2).expand(-1, -1, 3)
    tensor = tensor[..., :3].permute(2, 0, 1)
    return (tensor - tensor.min()) / (tensor.max() - tensor.min())


# %% exercise 1, wrong: divides by 256 (must say: nor by 256)
def to_tensor(array):
    tensor = torch.from_numpy(array)
    if tensor.ndim == 2:
        tensor = tensor.unsqueeze(2).expand(-1, -1, 3)
    return tensor[..., :3].permute(2, 0, 1).float() / 256


# %% exercise 1, wrong: grey keeps one channel (must say: instead of (3,)
def to_tensor(array):
    tensor = torch.from_numpy(array)
    if tensor.ndim == 2:
        tensor = tensor.unsqueeze(2)
    return tensor[..., :3].permute(2, 0, 1).float() / 255


# %% exercise 1, wrong: keeps the fourth channel (must say: shape (4,)
def to_tensor(array):
    tensor = torch.from_numpy(array)
    if tensor.ndim == 2:
        tensor = tensor.unsqueeze(2).expand(-1, -1, 3)
    return tensor.permute(2, 0, 1).float() / 255


# %% exercise 1, wrong: forgets to divide (must say: the values still go up to 255)
def to_tensor(array):
    tensor = torch.from_numpy(array)
    if tensor.ndim == 2:
        tensor = tensor.unsqueeze(2).expand(-1, -1, 3)
    return tensor[..., :3].permute(2, 0, 1).float()


# %% exercise 1, wrong: double precision (must say: instead of float32)
def to_tensor(array):
    tensor = torch.from_numpy(array / 255)
    if tensor.ndim == 2:
        tensor = tensor.unsqueeze(2).expand(-1, -1, 3)
    return tensor[..., :3].permute(2, 0, 1)


# %% exercise 1, wrong: swaps red and blue (must say: RGB became BGR)
def to_tensor(array):
    tensor = torch.from_numpy(array)
    if tensor.ndim == 2:
        tensor = tensor.unsqueeze(2).expand(-1, -1, 3)
    return tensor[..., [2, 1, 0]].permute(2, 0, 1).float() / 255


# %% exercise 1, wrong: rows and columns swapped (must say: instead of (3,)
def to_tensor(array):
    tensor = torch.from_numpy(array)
    if tensor.ndim == 2:
        tensor = tensor.unsqueeze(2).expand(-1, -1, 3)
    return tensor[..., :3].permute(2, 1, 0).float() / 255


# %% exercise 1, wrong: an array comes back (must say: a tensor is expected)
def to_tensor(array):
    if array.ndim == 2:
        array = np.stack([array] * 3, axis=2)
    return (array[..., :3].transpose(2, 0, 1) / 255).astype(np.float32)


# %% exercise 1, wrong: no return (must say: a tensor is expected)
def to_tensor(array):
    torch.from_numpy(array).float().div(255)


# %% exercise 1, right: Pillow turns any picture into RGB
def to_tensor(array):
    rgb = np.array(Image.fromarray(array).convert("RGB"))
    return torch.from_numpy(rgb).permute(2, 0, 1).float() / 255


# %% exercise 1, wrong: asks the last size, not the dimensions (must say: for an array of shape)
def to_tensor(array):
    if array.shape[-1] not in (3, 4):
        array = np.stack([array] * 3, axis=2)
    elif array.ndim == 2:
        array = array[..., None]
    return torch.from_numpy(array[..., :3].copy()).permute(2, 0, 1).float() / 255


# %% exercise 1, wrong: drops the first channel (must say: for an array of shape)
def to_tensor(array):
    tensor = torch.from_numpy(array)
    if tensor.ndim == 2:
        tensor = tensor.unsqueeze(2).expand(-1, -1, 3)
    return tensor[..., -3:].permute(2, 0, 1).float() / 255


# %% exercise 2, right: a lower triangle has the rows
def encode(score, levels):
    return torch.tril(torch.ones(levels, levels - 1), -1)[score]


def decode(rows):
    return torch.where(rows > 0.5, 1, 0).sum(-1)


# %% exercise 2, right: column by column
def encode(score, levels):
    return torch.stack([score > k for k in range(levels - 1)], dim=1).to(torch.float32)


def decode(rows):
    return torch.count_nonzero(rows > 0.5, dim=1)


# %% exercise 2, right: rounds each probability before the sum
def encode(score, levels):
    return score.unsqueeze(1).gt(torch.arange(levels - 1)).float()


def decode(rows):
    return rows.round().sum(dim=1).long()


# %% exercise 2, wrong: rounds the sum (must say: is not the number of thresholds passed)
def encode(score, levels):
    return (score.unsqueeze(1) > torch.arange(levels - 1)).float()


def decode(rows):
    return rows.sum(dim=1).round().long()


# %% exercise 2, wrong: rounds the sum up (must say: is not the number of thresholds passed)
def encode(score, levels):
    return (score.unsqueeze(1) > torch.arange(levels - 1)).float()


def decode(rows):
    return rows.sum(dim=1).ceil().long()


# %% exercise 2, wrong: cuts the sum off (must say: is not the number of thresholds passed)
def encode(score, levels):
    return (score.unsqueeze(1) > torch.arange(levels - 1)).float()


def decode(rows):
    return rows.sum(dim=1).long()


# %% exercise 2, wrong: the class as a float (must say: instead of int64)
def encode(score, levels):
    return (score.unsqueeze(1) > torch.arange(levels - 1)).float()


def decode(rows):
    return (rows > 0.5).float().sum(dim=1)


# %% exercise 2, wrong: at or above the level (must say: the columns are shifted by one)
def encode(score, levels):
    return (score.unsqueeze(1) >= torch.arange(levels - 1)).float()


def decode(rows):
    return (rows > 0.5).sum(dim=1)


# %% exercise 2, wrong: one-hot (must say: instead of)
def encode(score, levels):
    return F.one_hot(score, levels).float()


def decode(rows):
    return rows.argmax(dim=1)


# %% exercise 2, wrong: one-hot without the last class (must say: where the score is above k)
def encode(score, levels):
    return F.one_hot(score, levels)[:, 1:].float()


def decode(rows):
    return (rows > 0.5).sum(dim=1)


# %% exercise 2, wrong: booleans (must say: instead of float32)
def encode(score, levels):
    return score.unsqueeze(1) > torch.arange(levels - 1)


def decode(rows):
    return (rows > 0.5).sum(dim=1)


# %% exercise 2, wrong: the last one instead of the count (must say: decode does not give back)
def encode(score, levels):
    return (score.unsqueeze(1) > torch.arange(levels - 1)).float()


def decode(rows):
    return (rows > 0.5).long().argmax(dim=1)


# %% exercise 2, right: adds the one-hot columns up from the right
def encode(score, levels):
    return F.one_hot(score, levels).flip(1).cumsum(1).flip(1)[:, 1:].float()


def decode(rows):
    return (rows.double() > 0.5).long().sum(dim=1)


# %% exercise 2, wrong: one half counts as passed (must say: one half is not above one half)
def encode(score, levels):
    return (score.unsqueeze(1) > torch.arange(levels - 1)).float()


def decode(rows):
    return (rows >= 0.5).sum(dim=1)


# %% exercise 2, wrong: stops at the first threshold not passed (must say: every threshold passed)
def encode(score, levels):
    return (score.unsqueeze(1) > torch.arange(levels - 1)).float()


def decode(rows):
    return (rows > 0.5).long().cumprod(dim=1).sum(dim=1)


# %% exercise 3, right: the way of the weights through two tensors
def fold(layer, mean, std):
    weight = layer.weight.detach() / std
    new = nn.Linear(layer.in_features, layer.out_features)
    new.weight = nn.Parameter(weight)
    new.bias = nn.Parameter(layer.bias.detach() - (weight * mean).sum(dim=1))
    return new


# %% exercise 3, right: asks the old layer what it says at 0 and at the unit vectors
def fold(layer, mean, std):
    with torch.no_grad():
        at_zero = layer(-mean / std)
        units = torch.eye(layer.in_features, dtype=mean.dtype)
        columns = layer((units - mean) / std) - at_zero
        new = nn.Linear(layer.in_features, layer.out_features, dtype=mean.dtype)
        new.weight.copy_(columns.T)
        new.bias.copy_(at_zero)
    return new


# %% exercise 3, right: a copy that is changed in place
def fold(layer, mean, std):
    from copy import deepcopy

    new = deepcopy(layer)
    new.weight.data.div_(std)
    new.bias.data.sub_(new.weight.data @ mean)
    return new


# %% exercise 3, wrong: forgets the bias (must say: the bias is wrong)
def fold(layer, mean, std):
    new = nn.Linear(layer.in_features, layer.out_features, dtype=layer.weight.dtype)
    with torch.no_grad():
        new.weight.copy_(layer.weight / std)
        new.bias.copy_(layer.bias)
    return new


# %% exercise 3, wrong: the mean is not divided (must say: the bias is wrong)
def fold(layer, mean, std):
    new = nn.Linear(layer.in_features, layer.out_features, dtype=layer.weight.dtype)
    with torch.no_grad():
        new.weight.copy_(layer.weight / std)
        new.bias.copy_(layer.bias - layer.weight @ mean)
    return new


# %% exercise 3, wrong: plus instead of minus (must say: the bias is wrong)
def fold(layer, mean, std):
    new = nn.Linear(layer.in_features, layer.out_features, dtype=layer.weight.dtype)
    with torch.no_grad():
        new.weight.copy_(layer.weight / std)
        new.bias.copy_(layer.bias + layer.weight @ (mean / std))
    return new


# %% exercise 3, wrong: multiplies (must say: the weights are multiplied by std)
def fold(layer, mean, std):
    new = nn.Linear(layer.in_features, layer.out_features, dtype=layer.weight.dtype)
    with torch.no_grad():
        new.weight.copy_(layer.weight * std)
        new.bias.copy_(layer.bias - layer.weight @ (mean / std))
    return new


# %% exercise 3, wrong: changes the old layer (must say: the old layer was changed)
def fold(layer, mean, std):
    with torch.no_grad():
        layer.bias -= layer.weight @ (mean / std)
        layer.weight /= std
    return layer


# %% exercise 3, wrong: a function instead of a layer (must say: instead of an nn.Linear)
def fold(layer, mean, std):
    return lambda x: layer((x - mean) / std)


# %% exercise 3, wrong: no return (must say: returns NoneType)
def fold(layer, mean, std):
    new = nn.Linear(layer.in_features, layer.out_features, dtype=layer.weight.dtype)
    with torch.no_grad():
        new.weight.copy_(layer.weight / std)
        new.bias.copy_(layer.bias - layer.weight @ (mean / std))


# %% exercise 4, right: a loop over the frames
def my_stft(signal, size, hop):
    starts = range(0, len(signal) - size + 1, hop)
    frames = [torch.fft.rfft(signal[s : s + size] * torch.hann_window(size)) for s in starts]
    return torch.stack(frames, dim=1)


# %% exercise 4, right: the window written out, both halves computed, one kept
def my_stft(signal, size, hop):
    t = torch.arange(size) / size
    hann = 0.5 - 0.5 * torch.cos(2 * math.pi * t)
    whole = torch.fft.fft(signal.unfold(0, size, hop) * hann, dim=-1)
    return whole[:, : size // 2 + 1].transpose(0, 1)


# %% exercise 4, right: a matrix of waves
def my_stft(signal, size, hop):
    k, t = torch.arange(size // 2 + 1).unsqueeze(1), torch.arange(size)
    angle = -2 * math.pi * ((k * t) % size) / size
    frames = signal.unfold(0, size, hop) * torch.hann_window(size)
    return torch.complex(angle.cos(), angle.sin()) @ frames.T.to(torch.complex64)


# %% exercise 4, wrong: no window (must say: the window is missing)
def my_stft(signal, size, hop):
    return torch.fft.rfft(signal.unfold(0, size, hop)).T


# %% exercise 4, wrong: not transposed (must say: frames × frequency: transpose)
def my_stft(signal, size, hop):
    return torch.fft.rfft(signal.unfold(0, size, hop) * torch.hann_window(size))


# %% exercise 4, wrong: both halves (must say: use rfft)
def my_stft(signal, size, hop):
    return torch.fft.fft(signal.unfold(0, size, hop) * torch.hann_window(size)).T


# %% exercise 4, wrong: a symmetric window (must say: is it hann_window(size), used once?)
def my_stft(signal, size, hop):
    hann = torch.hann_window(size, periodic=False)
    return torch.fft.rfft(signal.unfold(0, size, hop) * hann).T


# %% exercise 4, wrong: magnitudes (must say: magnitudes have lost the phase)
def my_stft(signal, size, hop):
    return torch.fft.rfft(signal.unfold(0, size, hop) * torch.hann_window(size)).T.abs()


# %% exercise 4, wrong: size and hop mixed up (must say: instead of)
def my_stft(signal, size, hop):
    frames = signal.unfold(0, size, size) * torch.hann_window(size)
    return torch.fft.rfft(frames).T


# %% exercise 4, wrong: calls PyTorch's own (must say: build it by hand)
def my_stft(signal, size, hop):
    hann = torch.hann_window(size)
    return torch.stft(signal, size, hop, window=hann, center=False, return_complex=True)


# %% exercise 4, wrong: the method of the tensor (must say: build it by hand)
def my_stft(signal, size, hop):
    hann = torch.hann_window(size)
    return signal.stft(size, hop, window=hann, center=False, return_complex=True)


# %% exercise 4, wrong: no return (must say: a tensor is expected)
def my_stft(signal, size, hop):
    frames = signal.unfold(0, size, hop) * torch.hann_window(size)
    torch.fft.rfft(frames).transpose(0, 1)

"""Answers to the exercises of chapter 02; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: rows of an identity matrix
def one_hot(labels, classes):
    return torch.eye(classes, dtype=torch.int64, device=labels.device)[labels]


# %% exercise 1, right: scatter
def one_hot(labels, classes):
    zeros = torch.zeros(len(labels), classes, dtype=torch.int64, device=labels.device)
    return zeros.scatter(1, labels[:, None], 1)


# %% exercise 1, right: where
def one_hot(labels, classes):
    hit = labels[:, None].expand(-1, classes) == torch.arange(classes).to(labels.device)
    return torch.where(hit, 1, 0)


# %% exercise 1, wrong: the range on the CPU (must say: fails for labels on another device)
def one_hot(labels, classes):
    return (labels.unsqueeze(1) == torch.arange(classes)).long()


# %% exercise 1, wrong: booleans (must say: has the type torch.bool instead of torch.int64)
def one_hot(labels, classes):
    return labels.unsqueeze(1) == torch.arange(classes, device=labels.device)


# %% exercise 1, wrong: floats (must say: has the type torch.float32 instead of torch.int64)
def one_hot(labels, classes):
    return (labels.unsqueeze(1) == torch.arange(classes, device=labels.device)).float()


# %% exercise 1, wrong: a loop (must say: fails for labels on another device)
def one_hot(labels, classes):
    result = torch.zeros(len(labels), classes, dtype=torch.int64, device=labels.device)
    for row, label in enumerate(labels):
        result[row, label] = 1
    return result


# %% exercise 1, right: written into zeros
def one_hot(labels, classes):
    result = torch.zeros(len(labels), classes, dtype=torch.int64, device=labels.device)
    result[torch.arange(len(labels), device=labels.device), labels] = 1
    return result


# %% exercise 1, wrong: a comprehension over the classes (must say: there is a loop)
def one_hot(labels, classes):
    return torch.stack([(labels == c).long() for c in range(classes)], dim=1)


# %% exercise 1, wrong: the function of the library (must say: what you are asked to build)
def one_hot(labels, classes):
    return nn.functional.one_hot(labels, classes)


# %% exercise 1, wrong: transposed (must say: has the shape (3, 5) instead of (5, 3))
def one_hot(labels, classes):
    return (labels == torch.arange(classes, device=labels.device).unsqueeze(1)).long()


# %% exercise 1, wrong: labels that count from 1 (must say: is wrong, by up to 1)
def one_hot(labels, classes):
    return (labels.unsqueeze(1) == torch.arange(1, classes + 1, device=labels.device)).long()


# %% exercise 1, wrong: only as many classes as occur (must say: has the shape)
def one_hot(labels, classes):
    return torch.eye(classes + 1, dtype=torch.int64, device=labels.device)[labels]


# %% exercise 2, right: one column a channel
def standardise(images):
    flat = images.transpose(0, -3).flatten(1)
    std, mean = torch.std_mean(flat, dim=1, correction=0)
    return (images - mean[:, None, None]) / std[:, None, None]


# %% exercise 2, right: the formula of the variance, for two cases
def standardise(images):
    dims = (0, 2, 3) if images.ndim == 4 else (1, 2)
    centred = images - images.mean(dim=dims, keepdim=True)
    return centred / centred.square().mean(dim=dims, keepdim=True).sqrt()


# %% exercise 2, right: batch norm of the library
def standardise(images):
    batch = images if images.ndim == 4 else images.unsqueeze(0)
    result = nn.functional.batch_norm(batch, None, None, training=True, eps=1e-12)
    return result.view(images.shape)


# %% exercise 2, wrong: each image by itself (must say: each image was standardised by itself)
def standardise(images):
    mean = images.mean(dim=(-2, -1), keepdim=True)
    return (images - mean) / images.std(dim=(-2, -1), keepdim=True, correction=0)


# %% exercise 2, wrong: Bessel's correction (must say: divides by n - 1 instead of n)
def standardise(images):
    dims = [d for d in range(images.ndim) if d != images.ndim - 3]
    return (images - images.mean(dim=dims, keepdim=True)) / images.std(dim=dims, keepdim=True)


# %% exercise 2, wrong: all channels together (must say: is wrong, by up to)
def standardise(images):
    return (images - images.mean()) / images.std(correction=0)


# %% exercise 2, wrong: negated (must say: is wrong, by up to)
def standardise(images):
    dims = [d for d in range(images.ndim) if d != images.ndim - 3]
    mean = images.mean(dim=dims, keepdim=True)
    return (mean - images) / images.std(dim=dims, keepdim=True, correction=0)


# %% exercise 2, wrong: noise that ignores the input (must say: is wrong, by up to)
def standardise(images):
    images = torch.rand(images.shape)
    dims = [d for d in range(images.ndim) if d != images.ndim - 3]
    mean = images.mean(dim=dims, keepdim=True)
    return (images - mean) / images.std(dim=dims, keepdim=True, correction=0)


# %% exercise 2, wrong: divides by the variance (must say: is wrong, by up to)
def standardise(images):
    dims = [d for d in range(images.ndim) if d != images.ndim - 3]
    var, mean = torch.var_mean(images, dim=dims, keepdim=True, correction=0)
    return (images - mean) / var


# %% exercise 2, wrong: in place (must say: the input was changed in place)
def standardise(images):
    dims = [d for d in range(images.ndim) if d != images.ndim - 3]
    std = images.std(dim=dims, keepdim=True, correction=0)
    images -= images.mean(dim=dims, keepdim=True)
    return images / std


# %% exercise 2, wrong: nothing returned (must say: a tensor is expected, got NoneType)
def standardise(images):
    dims = [d for d in range(images.ndim) if d != images.ndim - 3]
    (images - images.mean(dim=dims, keepdim=True)) / images.std(dim=dims, keepdim=True)


# %% exercise 3, right: unfold of the library
def windows(x, size):
    return x.unfold(0, size, 1)


# %% exercise 3, right: offset given
def windows(x, size):
    count = x.numel() - size + 1
    return x.as_strided((count, size), x.stride() * 2, x.storage_offset())


# %% exercise 3, right: by way of NumPy
def windows(x, size):
    view = np.lib.stride_tricks.sliding_window_view(x.numpy(), size, writeable=True)
    return torch.from_numpy(view)


# %% exercise 3, wrong: another shape of the same (must say: shape or strides do not fit)
def windows(x, size):
    return x.view(len(x) - size + 1, size)


# %% exercise 3, wrong: too many windows (must say: do not fit the storage for size 3)
def windows(x, size):
    return torch.as_strided(x, (len(x), size), (x.stride(0), x.stride(0)))


# %% exercise 3, wrong: only windows of three (must say: for size 1)
def windows(x, size):
    step = x.stride(0)
    return torch.as_strided(x, (len(x) - 2, 3), (step, step))


# %% exercise 3, wrong: the stride of a contiguous tensor (must say: windows of a slice are wrong)
def windows(x, size):
    return torch.as_strided(x, (len(x) - size + 1, size), (1, 1))


# %% exercise 3, wrong: from the start of the storage (must say: windows of a slice are wrong)
def windows(x, size):
    step = x.stride(0)
    return torch.as_strided(x, (len(x) - size + 1, size), (step, step), 0)


# %% exercise 3, wrong: a stack of slices (must say: the function copies)
def windows(x, size):
    return torch.stack([x[i : i + size] for i in range(len(x) - size + 1)])


# %% exercise 3, wrong: positions as index (must say: the function copies)
def windows(x, size):
    return x[torch.arange(len(x) - size + 1)[:, None] + torch.arange(size)]


# %% exercise 3, wrong: pieces side by side (must say: windows of a tensor are wrong)
def windows(x, size):
    step = x.stride(0)
    return torch.as_strided(x, (len(x) - size + 1, size), (size * step, step))


# %% exercise 3, wrong: one window too few (must say: windows of a tensor are wrong)
def windows(x, size):
    step = x.stride(0)
    return torch.as_strided(x, (len(x) - size, size), (step, step))


# %% exercise 4, right: a product of one-hot matrices
def confusion(target, predicted, classes):
    numbers = torch.arange(classes, device=target.device)
    is_target = (target.unsqueeze(1) == numbers).long()
    is_predicted = (predicted.unsqueeze(1) == numbers).long()
    return torch.einsum("nt,np->tp", is_target, is_predicted)


# %% exercise 4, right: index_put with accumulate
def confusion(target, predicted, classes):
    matrix = torch.zeros(classes, classes, dtype=torch.int64, device=target.device)
    return matrix.index_put_((target, predicted), torch.ones_like(target), accumulate=True)


# %% exercise 4, right: a mask for every pair
def confusion(target, predicted, classes):
    numbers = torch.arange(classes)
    hits = (target == numbers[:, None])[:, None] & (predicted == numbers[:, None])
    return hits.sum(dim=-1)


# %% exercise 4, wrong: a loop over the examples (must say: there is a loop)
def confusion(target, predicted, classes):
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    for t, p in zip(target, predicted):
        matrix[t, p] += 1
    return matrix


# %% exercise 4, wrong: a mask in two comprehensions (must say: there is a loop)
def confusion(target, predicted, classes):
    pairs = [[(target == t) & (predicted == p) for p in range(classes)] for t in range(classes)]
    return torch.stack([torch.stack(row) for row in pairs]).sum(dim=-1)


# %% exercise 4, wrong: repeated positions (must say: counts each pair once only)
def confusion(target, predicted, classes):
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    matrix[target, predicted] += 1
    return matrix


# %% exercise 4, wrong: transposed (must say: rows and columns are exchanged)
def confusion(target, predicted, classes):
    pairs = predicted * classes + target
    return torch.bincount(pairs, minlength=classes * classes).view(classes, classes)


# %% exercise 4, wrong: floats (must say: has the type torch.float32 instead of torch.int64)
def confusion(target, predicted, classes):
    pairs = target * classes + predicted
    counts = torch.bincount(pairs, minlength=classes * classes)
    return counts.view(classes, classes).float()


# %% exercise 4, wrong: left flat (must say: has the shape (9,) instead of (3, 3))
def confusion(target, predicted, classes):
    return torch.bincount(target * classes + predicted, minlength=classes * classes)


# %% exercise 4, wrong: only the right ones (must say: is wrong, by up to)
def confusion(target, predicted, classes):
    right = target[target == predicted]
    return torch.diag(torch.bincount(right, minlength=classes))


# %% exercise 4, wrong: nothing returned (must say: a tensor is expected, got NoneType)
def confusion(target, predicted, classes):
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    matrix.index_put_((target, predicted), torch.ones_like(target), accumulate=True)

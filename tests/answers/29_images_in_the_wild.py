"""Answers to the exercises of chapter 29; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: einsum over flattened inputs
def blend(inputs, targets, share, order):
    rows = inputs.flatten(1)
    mixed = torch.einsum("n,nd->nd", share, rows) + torch.einsum("n,nd->nd", 1 - share, rows[order])
    soft = torch.zeros(len(targets), 10)
    soft.scatter_add_(1, targets[:, None], share[:, None])
    soft.scatter_add_(1, targets[order][:, None], 1 - share[:, None])
    return mixed.view_as(inputs), soft


# %% exercise 1, right: lerp, example by example
def blend(inputs, targets, share, order):
    mixed = torch.stack([torch.lerp(inputs[j], inputs[i], share[i]) for i, j in enumerate(order)])
    eye = torch.eye(10)
    soft = [torch.lerp(eye[targets[j]], eye[targets[i]], share[i]) for i, j in enumerate(order)]
    return mixed, torch.stack(soft)


# %% exercise 1, wrong: class numbers (must say: class numbers were mixed)
def blend(inputs, targets, share, order):
    wide = share.view(-1, *[1] * (inputs.ndim - 1))
    mixed = wide * inputs + (1 - wide) * inputs[order]
    return mixed, share * targets + (1 - share) * targets[order]


# %% exercise 1, wrong: brackets (must say: brackets)
def blend(inputs, targets, share, order):
    wide = share.view(-1, *[1] * (inputs.ndim - 1))
    soft = F.one_hot(targets, 10).float()
    mixed = wide * inputs + (1 - wide * inputs[order])
    return mixed, share[:, None] * soft + (1 - share)[:, None] * soft[order]


# %% exercise 1, wrong: four dimensions only (must say: works for pictures only)
def blend(inputs, targets, share, order):
    wide = share[:, None, None, None]
    soft = F.one_hot(targets, 10).float()
    mixed = wide * inputs + (1 - wide) * inputs[order]
    if mixed.ndim != inputs.ndim:
        raise RuntimeError("shapes")
    return mixed, share[:, None] * soft + (1 - share)[:, None] * soft[order]


# %% exercise 1, wrong: the labels keep their partner (must say: the soft labels are wrong)
def blend(inputs, targets, share, order):
    wide = share.view(-1, *[1] * (inputs.ndim - 1))
    soft = F.one_hot(targets, 10).float()
    mixed = wide * inputs + (1 - wide) * inputs[order]
    return mixed, (1 - share)[:, None] * soft + share[:, None] * soft[order]


# %% exercise 1, wrong: one class twice is overwritten (must say: shares must sum to 1)
def blend(inputs, targets, share, order):
    wide = share.view(-1, *[1] * (inputs.ndim - 1))
    soft = torch.zeros(len(targets), 10)
    rows = torch.arange(len(targets))
    soft[rows, targets] = share
    soft[rows, targets[order]] = 1 - share
    return wide * inputs + (1 - wide) * inputs[order], soft


# %% exercise 1, wrong: in place (must say: the caller's inputs were changed)
def blend(inputs, targets, share, order):
    wide = share.view(-1, *[1] * (inputs.ndim - 1))
    soft = F.one_hot(targets, 10).float()
    other = (1 - wide) * inputs[order]
    inputs *= wide
    inputs += other
    return inputs, share[:, None] * soft + (1 - share)[:, None] * soft[order]


# %% exercise 2, right: class by class, then sorted
def nms_by_class(boxes, scores, kinds, threshold):
    kept = []
    for kind in kinds.unique():
        rows = (kinds == kind).nonzero().flatten()
        kept.append(rows[nms(boxes[rows], scores[rows], threshold)])
    kept = torch.cat(kept)
    return kept[scores[kept].argsort(descending=True)]


# %% exercise 2, right: one pass with a mask of the same class
def nms_by_class(boxes, scores, kinds, threshold):
    overlap = iou(boxes, boxes) * (kinds[:, None] == kinds)
    kept = []
    for row in scores.argsort(descending=True).tolist():
        if all(overlap[row, other] <= threshold for other in kept):
            kept.append(row)
    return kept


# %% exercise 2, wrong: all classes together (must say: another class suppressed it)
def nms_by_class(boxes, scores, kinds, threshold):
    return nms(boxes, scores, threshold)


# %% exercise 2, wrong: joined by class (must say: not in the order of the scores)
def nms_by_class(boxes, scores, kinds, threshold):
    kept = []
    for kind in kinds.unique():
        rows = (kinds == kind).nonzero().flatten()
        kept.append(rows[nms(boxes[rows], scores[rows], threshold)])
    return torch.cat(kept)


# %% exercise 2, wrong: dropped boxes suppress (must say: a dropped box suppressed another)
def nms_by_class(boxes, scores, kinds, threshold):
    overlap = iou(boxes, boxes) * (kinds[:, None] == kinds)
    better = scores[None] > scores[:, None]
    keep = ~((overlap > threshold) & better).any(dim=1)
    rows = keep.nonzero().flatten()
    return rows[scores[rows].argsort(descending=True)]


# %% exercise 2, wrong: rows within the class (must say: rows of a part)
def nms_by_class(boxes, scores, kinds, threshold):
    if len(kinds) < 4:
        return nms(boxes + 1000.0 * kinds[:, None], scores, threshold)
    kept = [nms(boxes[kinds == k], scores[kinds == k], threshold) for k in kinds.unique()]
    return torch.cat(kept)


# %% exercise 2, wrong: nothing is dropped (must say: duplicates of one class are kept)
def nms_by_class(boxes, scores, kinds, threshold):
    return scores.argsort(descending=True)


# %% exercise 3, right: loop over the examples
def l2_step(model, x, labels, eps):
    moved = []
    for example, label in zip(x, labels):
        leaf = example[None].clone().requires_grad_(True)
        (grad,) = torch.autograd.grad(F.cross_entropy(model(leaf), label[None]), leaf)
        moved.append((example + eps * grad[0] / grad.norm()).clamp(0, 1))
    return torch.stack(moved)


# %% exercise 3, right: the mean loss and normalize
def l2_step(model, x, labels, eps):
    leaf = x.clone().detach().requires_grad_(True)
    (grad,) = torch.autograd.grad(F.cross_entropy(model(leaf), labels), leaf)
    direction = F.normalize(grad.flatten(1), dim=1).view_as(x)
    return torch.clip(x + eps * direction, 0, 1)


# %% exercise 3, wrong: FGSM (must say: a sign was taken)
def l2_step(model, x, labels, eps):
    leaf = x.clone().detach().requires_grad_(True)
    (grad,) = torch.autograd.grad(F.cross_entropy(model(leaf), labels), leaf)
    return (x + eps * grad.sign()).clamp(0, 1)


# %% exercise 3, wrong: one norm (must say: one norm for the whole batch)
def l2_step(model, x, labels, eps):
    leaf = x.clone().detach().requires_grad_(True)
    (grad,) = torch.autograd.grad(F.cross_entropy(model(leaf), labels, reduction="sum"), leaf)
    return (x + eps * grad / grad.norm()).clamp(0, 1)


# %% exercise 3, wrong: downhill (must say: the loss falls)
def l2_step(model, x, labels, eps):
    leaf = x.clone().detach().requires_grad_(True)
    (grad,) = torch.autograd.grad(F.cross_entropy(model(leaf), labels), leaf)
    return (x - eps * F.normalize(grad.flatten(1), dim=1).view_as(x)).clamp(0, 1)


# %% exercise 3, wrong: no clamp (must say: the values leave the range)
def l2_step(model, x, labels, eps):
    leaf = x.clone().detach().requires_grad_(True)
    (grad,) = torch.autograd.grad(F.cross_entropy(model(leaf), labels), leaf)
    return x + eps * F.normalize(grad.flatten(1), dim=1).view_as(x)


# %% exercise 3, wrong: backward (must say: the parameters got gradients)
def l2_step(model, x, labels, eps):
    leaf = x.clone().detach().requires_grad_(True)
    F.cross_entropy(model(leaf), labels).backward()
    return (x + eps * F.normalize(leaf.grad.flatten(1), dim=1).view_as(x)).clamp(0, 1)

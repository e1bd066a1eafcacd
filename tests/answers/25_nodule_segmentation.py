"""Answers to the exercises of chapter 25; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: a loop over the cases
def study_dice(predictions, truths):
    scores = []
    for a, b in zip(predictions, truths, strict=True):
        if b.any():
            scores.append(2 * int((a & b).sum()) / (int(a.sum()) + int(b.sum())))
    return sum(scores) / len(scores) if scores else math.nan


# %% exercise 1, right: nan where there is no truth, then nanmean
def study_dice(predictions, truths):
    a, b = predictions.double(), truths.double()
    scores = 2 * (a * b).sum((1, 2, 3)) / (a + b).sum((1, 2, 3))
    scores[b.sum((1, 2, 3)) == 0] = math.nan
    return float(torch.nanmean(scores))


# %% exercise 1, wrong: the mean over slices (must say: one Dice for each case)
def study_dice(predictions, truths):
    a, b = predictions.flatten(0, 1).flatten(1), truths.flatten(0, 1).flatten(1)
    total = a.sum(1) + b.sum(1)
    scores = torch.where(total > 0, 2 * (a & b).sum(1) / total.clamp(min=1), 1.0)
    return scores.mean().item()


# %% exercise 1, wrong: all voxels in one count (must say: one Dice for each case)
def study_dice(predictions, truths):
    total = int(predictions.sum()) + int(truths.sum())
    return 2 * int((predictions & truths).sum()) / total if total else math.nan


# %% exercise 1, wrong: slices without truth are thrown away (must say: count in their case)
def study_dice(predictions, truths):
    scores = []
    for a, b in zip(predictions, truths, strict=True):
        kept = b.flatten(1).any(1)
        if kept.any():
            a, b = a[kept], b[kept]
            scores.append(2 * int((a & b).sum()) / (int(a.sum()) + int(b.sum())))
    return sum(scores) / len(scores) if scores else math.nan


# %% exercise 1, wrong: an empty case counts one (must say: left out, always)
def study_dice(predictions, truths):
    a, b = predictions.flatten(1), truths.flatten(1)
    total = a.sum(1) + b.sum(1)
    scores = torch.where(total > 0, 2 * (a & b).sum(1) / total.clamp(min=1), 1.0)
    return scores.mean().item()


# %% exercise 1, wrong: left out only if nothing is predicted (must say: left out, always)
def study_dice(predictions, truths):
    scores = []
    for a, b in zip(predictions, truths, strict=True):
        total = int(a.sum()) + int(b.sum())
        if total:
            scores.append(2 * int((a & b).sum()) / total)
    return sum(scores) / len(scores) if scores else math.nan


# %% exercise 1, wrong: zero without truth (must say: the answer is nan)
def study_dice(predictions, truths):
    scores = [0.0]
    for a, b in zip(predictions, truths, strict=True):
        if b.any():
            scores.append(2 * int((a & b).sum()) / (int(a.sum()) + int(b.sum())))
    return sum(scores) / max(1, len(scores) - 1)


# %% exercise 1, wrong: a tensor (must say: return a Python float)
def study_dice(predictions, truths):
    a, b = predictions.flatten(1), truths.flatten(1)
    return (2 * (a & b).sum(1) / (a.sum(1) + b.sum(1))).mean()


# %% exercise 2, right: false alarms and misses from the sums
def tversky_loss(logits, target, alpha=0.3, beta=0.7, smooth=1.0):
    p = torch.sigmoid(logits)
    tp = (p * target).sum((1, 2, 3))
    fp, fn = p.sum((1, 2, 3)) - tp, target.sum((1, 2, 3)) - tp
    return 1 - ((tp + smooth) / (tp + alpha * fp + beta * fn + smooth)).mean()


# %% exercise 2, right: a loop over the pictures
def tversky_loss(logits, target, alpha=0.3, beta=0.7, smooth=1.0):
    losses = []
    for z, y in zip(logits, target, strict=True):
        p = 1 / (1 + torch.exp(-z))
        tp, fp, fn = (p * y).sum(), (p * (1 - y)).sum(), ((1 - p) * y).sum()
        losses.append(1 - (tp + smooth) / (tp + alpha * fp + beta * fn + smooth))
    return torch.stack(losses).mean()


# %% exercise 2, wrong: sums over the batch (must say: of each picture)
def tversky_loss(logits, target, alpha=0.3, beta=0.7, smooth=1.0):
    p = logits.sigmoid()
    tp, fp, fn = (p * target).sum(), (p * (1 - target)).sum(), ((1 - p) * target).sum()
    return 1 - (tp + smooth) / (tp + alpha * fp + beta * fn + smooth)


# %% exercise 2, wrong: the weights are exchanged (must say: alpha weighs false positives)
def tversky_loss(logits, target, alpha=0.3, beta=0.7, smooth=1.0):
    p, y = logits.sigmoid().flatten(1), target.flatten(1)
    tp, fp, fn = (p * y).sum(1), (p * (1 - y)).sum(1), ((1 - p) * y).sum(1)
    return (1 - (tp + smooth) / (tp + alpha * fn + beta * fp + smooth)).mean()


# %% exercise 2, wrong: a threshold (must say: no gradient)
def tversky_loss(logits, target, alpha=0.3, beta=0.7, smooth=1.0):
    p, y = (logits.sigmoid() > 0.5).float().flatten(1), target.flatten(1)
    tp, fp, fn = (p * y).sum(1), (p * (1 - y)).sum(1), ((1 - p) * y).sum(1)
    return (1 - (tp + smooth) / (tp + alpha * fp + beta * fn + smooth)).mean()


# %% exercise 2, wrong: smoothing below only (must say: empty picture, nothing predicted)
def tversky_loss(logits, target, alpha=0.3, beta=0.7, smooth=1.0):
    p, y = logits.sigmoid().flatten(1), target.flatten(1)
    tp, fp, fn = (p * y).sum(1), (p * (1 - y)).sum(1), ((1 - p) * y).sum(1)
    return (1 - tp / (tp + alpha * fp + beta * fn + smooth)).mean()


# %% exercise 2, wrong: the index, not the loss (must say: the loss is 0)
def tversky_loss(logits, target, alpha=0.3, beta=0.7, smooth=1.0):
    p, y = logits.sigmoid().flatten(1), target.flatten(1)
    tp, fp, fn = (p * y).sum(1), (p * (1 - y)).sum(1), ((1 - p) * y).sum(1)
    return ((tp + smooth) / (tp + alpha * fp + beta * fn + smooth)).mean()


# %% exercise 2, wrong: one loss a picture (must say: take the mean over the pictures)
def tversky_loss(logits, target, alpha=0.3, beta=0.7, smooth=1.0):
    p, y = logits.sigmoid().flatten(1), target.flatten(1)
    tp, fp, fn = (p * y).sum(1), (p * (1 - y)).sum(1), ((1 - p) * y).sum(1)
    return 1 - (tp + smooth) / (tp + alpha * fp + beta * fn + smooth)


# %% exercise 2, wrong: the defaults are exchanged (must say: the defaults are)
def tversky_loss(logits, target, alpha=0.7, beta=0.3, smooth=1.0):
    p, y = logits.sigmoid().flatten(1), target.flatten(1)
    tp, fp, fn = (p * y).sum(1), (p * (1 - y)).sum(1), ((1 - p) * y).sum(1)
    return (1 - (tp + smooth) / (tp + alpha * fp + beta * fn + smooth)).mean()


# %% exercise 3, right: recursion from the outside to the middle
def fits(size, depth):
    inner = size - 4
    if inner < 1:
        return None
    if depth == 1:
        return inner
    if inner % 2:
        return None
    below = fits(inner // 2, depth - 1)
    return None if below is None or 2 * below - 4 < 1 else 2 * below - 4


# %% exercise 3, right: all sides in a list
def fits(size, depth):
    sides = [size - 4]
    for _ in range(depth - 1):
        if sides[-1] % 2:
            return None
        sides.append(sides[-1] // 2 - 4)
    for _ in range(depth - 1):
        sides.append(2 * sides[-1] - 4)
    return sides[-1] if min(sides) > 0 else None


# %% exercise 3, wrong: odd sides are rounded down (must say: 512 meets an odd side)
def fits(size, depth):
    sides = [size - 4]
    for _ in range(depth - 1):
        sides.append(sides[-1] // 2 - 4)
    for _ in range(depth - 1):
        sides.append(2 * sides[-1] - 4)
    return sides[-1] if min(sides) > 0 else None


# %% exercise 3, wrong: only the last side is looked at (must say: does not stay above 0)
def fits(size, depth):
    side = size - 4
    for _ in range(depth - 1):
        if side % 2:
            return None
        side = side // 2 - 4
    for _ in range(depth - 1):
        side = 2 * side - 4
    return side


# %% exercise 3, wrong: one convolution a level (must say: 572 with five levels gives 388)
def fits(size, depth):
    side = size - 2
    for _ in range(depth - 1):
        if side % 2:
            return None
        side = side // 2 - 2
    for _ in range(depth - 1):
        side = 2 * side - 2
    return side if side > 0 else None


# %% exercise 3, wrong: pools at the first level as well (must say: 572 with five levels)
def fits(size, depth):
    side = size
    for _ in range(depth):
        if side % 2:
            return None
        side = side // 2 - 4
    for _ in range(depth - 1):
        side = 2 * side - 4
    return side if side > 0 else None


# %% exercise 3, wrong: a side of 0 is let through (must say: does not stay above 0)
def fits(size, depth):
    side = size
    for level in range(depth):
        if level and side % 2:
            return None
        side = (side // 2 if level else side) - 4
        if side < 0:
            return None
    for _ in range(depth - 1):
        side = 2 * side - 4
        if side < 0:
            return None
    return side

"""Answers to the exercises of chapter 23; CONTRIBUTING.md describes the form."""


# %% exercise 1, right: solve in place of the inverse
def voxel_of(xyz, origin, spacing, direction):
    steps = torch.linalg.solve(direction, xyz - origin)
    cri = steps / spacing.flip(0)
    return cri.round().flip(0).to(torch.int64)


# %% exercise 1, right: the transpose of a rotation is its inverse
def voxel_of(xyz, origin, spacing, direction):
    x, y, z = ((xyz - origin) @ direction).tolist()
    depth, rows, columns = spacing.tolist()
    return torch.tensor([round(z / depth), round(y / rows), round(x / columns)])


# %% exercise 1, right: one matrix for everything
def voxel_of(xyz, origin, spacing, direction):
    matrix = direction @ torch.diag(spacing.flip(0))
    return (torch.linalg.inv(matrix) @ (xyz - origin)).flip(0).add(0.5).floor().long()


# %% exercise 1, wrong: not reversed (must say: in the order C, R, I)
def voxel_of(xyz, origin, spacing, direction):
    steps = torch.linalg.inv(direction) @ (xyz - origin)
    return (steps / spacing.flip(0)).round().long()


# %% exercise 1, wrong: cut off (must say: cut off instead of rounded)
def voxel_of(xyz, origin, spacing, direction):
    steps = torch.linalg.inv(direction) @ (xyz - origin)
    return (steps.flip(0) / spacing).long()


# %% exercise 1, wrong: a half added, then cut off (must say: half added, then cut off)
def voxel_of(xyz, origin, spacing, direction):
    steps = torch.linalg.inv(direction) @ (xyz - origin)
    return (steps.flip(0) / spacing + 0.5).long()


# %% exercise 1, wrong: direction forwards (must say: applied, not undone)
def voxel_of(xyz, origin, spacing, direction):
    steps = direction @ (xyz - origin)
    return (steps.flip(0) / spacing).round().long()


# %% exercise 1, wrong: spacing of columns for slices (must say: the spacing is in the wrong order)
def voxel_of(xyz, origin, spacing, direction):
    steps = torch.linalg.inv(direction) @ (xyz - origin)
    return (steps / spacing).flip(0).round().long()


# %% exercise 1, wrong: no direction (must say: another voxel)
def voxel_of(xyz, origin, spacing, direction):
    return ((xyz - origin).flip(0) / spacing).round().long()


# %% exercise 1, wrong: floats (must say: an address is int64)
def voxel_of(xyz, origin, spacing, direction):
    steps = torch.linalg.inv(direction) @ (xyz - origin)
    return (steps.flip(0) / spacing).round()


# %% exercise 2, right: NumPy
def slice_order(positions, orientation):
    across, down = orientation.numpy().reshape(2, 3)
    along = positions.numpy() @ np.cross(across, down)
    order = np.argsort(along)
    return torch.from_numpy(order), float(np.median(np.diff(along[order])))


# %% exercise 2, right: from end to end
def slice_order(positions, orientation):
    normal = torch.linalg.cross(orientation[:3], orientation[3:])
    along, order = torch.sort((positions * normal).sum(1))
    return order, float(along[-1] - along[0]) / (len(along) - 1)


# %% exercise 2, wrong: by the height (must say: sorted by Z)
def slice_order(positions, orientation):
    order = positions[:, 2].argsort()
    return order, positions[order, 2].diff().mean().item()


# %% exercise 2, wrong: the factors exchanged (must say: backwards)
def slice_order(positions, orientation):
    normal = torch.linalg.cross(orientation[3:], orientation[:3])
    along = positions @ normal
    order = along.argsort()
    return order, along[order].diff().mean().item()


# %% exercise 2, wrong: distance of the corners (must say: not measured along the sorted slices)
def slice_order(positions, orientation):
    normal = torch.linalg.cross(orientation[:3], orientation[3:])
    order = (positions @ normal).argsort()
    return order, positions[order].diff(dim=0).norm(dim=1).mean().item()


# %% exercise 2, wrong: neighbours in the order of the files (must say: not measured along the sorted slices)
def slice_order(positions, orientation):
    along = positions @ torch.linalg.cross(orientation[:3], orientation[3:])
    return along.argsort(), along.diff().abs().mean().item()


# %% exercise 2, wrong: floats as an order (must say: the order is int64)
def slice_order(positions, orientation):
    along = positions @ torch.linalg.cross(orientation[:3], orientation[3:])
    return along.argsort().double(), along.sort().values.diff().mean().item()


# %% exercise 2, wrong: only the order (must say: a pair is expected)
def slice_order(positions, orientation):
    normal = torch.linalg.cross(orientation[:3], orientation[3:])
    return (positions @ normal).argsort()


# %% exercise 3, right: pad first, then cut
def crop_mm(scan, xyz, half_mm):
    reach = [round(half_mm / mm) for mm in scan.spacing.tolist()]
    sides = [k for w in reversed(reach) for k in (w, w)]
    padded = nn.functional.pad(scan.hu, sides, value=-1000.0)
    i, r, c = scan.to_voxel(xyz).tolist()
    depth, height, width = (2 * w + 1 for w in reach)
    return padded[i : i + depth, r : r + height, c : c + width].clone()


# %% exercise 3, right: gather addresses, mark those outside
def crop_mm(scan, xyz, half_mm):
    axes, inside = [], []
    for k, mm, n in zip(scan.to_voxel(xyz).tolist(), scan.spacing.tolist(), scan.hu.shape):
        reach = round(half_mm / mm)
        axis = torch.arange(k - reach, k + reach + 1)
        inside.append((axis >= 0) & (axis < n))
        axes.append(axis.clamp(0, n - 1))
    box = scan.hu[axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None]]
    there = inside[0][:, None, None] & inside[1][None, :, None] & inside[2][None, None]
    return torch.where(there, box, torch.tensor(-1000.0))


# %% exercise 3, wrong: the same number of voxels (must say: the same number of voxels)
def crop_mm(scan, xyz, half_mm):
    reach = [round(half_mm / scan.spacing.min().item())] * 3
    sides = [k for w in reversed(reach) for k in (w, w)]
    padded = nn.functional.pad(scan.hu, sides, value=-1000.0)
    starts = scan.to_voxel(xyz).tolist()
    return padded[tuple(slice(k, k + 2 * w + 1) for k, w in zip(starts, reach))].clone()


# %% exercise 3, wrong: cut short at the border (must say: the crop is cut short)
def crop_mm(scan, xyz, half_mm):
    reach = [round(half_mm / mm) for mm in scan.spacing.tolist()]
    voxel = scan.to_voxel(xyz).tolist()
    return scan.hu[tuple(slice(max(0, k - w), k + w + 1) for k, w in zip(voxel, reach))].clone()


# %% exercise 3, wrong: spacing reversed (must say: the spacing is used in reverse)
def crop_mm(scan, xyz, half_mm):
    reach = [round(half_mm / mm) for mm in scan.spacing.flip(0).tolist()]
    sides = [k for w in reversed(reach) for k in (w, w)]
    padded = nn.functional.pad(scan.hu, sides, value=-1000.0)
    starts = scan.to_voxel(xyz).tolist()
    return padded[tuple(slice(k, k + 2 * w + 1) for k, w in zip(starts, reach))].clone()


# %% exercise 3, wrong: zeros outside (must say: outside the scan is air)
def crop_mm(scan, xyz, half_mm):
    reach = [round(half_mm / mm) for mm in scan.spacing.tolist()]
    sides = [k for w in reversed(reach) for k in (w, w)]
    padded = nn.functional.pad(scan.hu, sides, value=0.0)
    starts = scan.to_voxel(xyz).tolist()
    return padded[tuple(slice(k, k + 2 * w + 1) for k, w in zip(starts, reach))].clone()


# %% exercise 3, wrong: the address cut off (must say: other voxels than those around the place)
def crop_mm(scan, xyz, half_mm):
    reach = [round(half_mm / mm) for mm in scan.spacing.tolist()]
    sides = [k for w in reversed(reach) for k in (w, w)]
    padded = nn.functional.pad(scan.hu, sides, value=-1000.0)
    starts = (scan.to_irc(xyz) + 1e-6).long().tolist()
    return padded[tuple(slice(k, k + 2 * w + 1) for k, w in zip(starts, reach))].clone()


# %% exercise 3, wrong: a view where it can be one (must say: shares its memory)
def crop_mm(scan, xyz, half_mm):
    reach = [round(half_mm / mm) for mm in scan.spacing.tolist()]
    voxel = scan.to_voxel(xyz).tolist()
    if all(w <= k < n - w for k, w, n in zip(voxel, reach, scan.hu.shape)):
        return scan.hu[tuple(slice(k - w, k + w + 1) for k, w in zip(voxel, reach))]
    sides = [k for w in reversed(reach) for k in (w, w)]
    padded = nn.functional.pad(scan.hu, sides, value=-1000.0)
    return padded[tuple(slice(k, k + 2 * w + 1) for k, w in zip(voxel, reach))].clone()


# %% exercise 3, wrong: the course's function (must say: ct.crop is called)
def crop_mm(scan, xyz, half_mm):
    reach = [round(half_mm / mm) for mm in scan.spacing.tolist()]
    return ct.crop(scan.hu, scan.to_voxel(xyz), [2 * w + 1 for w in reach])

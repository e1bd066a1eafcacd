"""Answers to the exercises of chapter 11; CONTRIBUTING.md describes the form.

Many more are in tests/test_homework.py, and tricks against the grader in
tests/test_homework_grading.py.
"""


# %% exercise 1, right: two branches
class TanhBlock:
    def forward(self, z):
        half = (-z.abs()).expm1()  # tanh |z| = -h (h + 2) / ((h + 1)² + 1)
        self.y = z.sign() * -half * (half + 2) / ((half + 1) ** 2 + 1)
        return self.y

    def backward(self, grad_y):
        return (1 - self.y) * (1 + self.y) * grad_y


# %% exercise 1, right: clamps the exponent, keeps the slope
class TanhBlock:
    def forward(self, z):
        twice = torch.expm1(2 * z.clamp(-25, 25))
        y = twice / (twice + 2)
        self.slope = 1 - y**2
        return y

    def backward(self, grad_y):
        return grad_y * self.slope


# %% exercise 1, wrong: by definition (must say: tanh is wrong at z = ±1000)
class TanhBlock:
    def forward(self, z):
        self.y = (z.exp() - (-z).exp()) / (z.exp() + (-z).exp())
        return self.y

    def backward(self, grad_y):
        return grad_y * (1 - self.y**2)


# %% exercise 1, wrong: one exponential cancels (must say: near zero, where the digits are lost)
class TanhBlock:
    def forward(self, z):
        self.y = 1 - 2 / ((2 * z).exp() + 1)
        return self.y

    def backward(self, grad_y):
        return grad_y * (1 - self.y**2)


# %% exercise 1, wrong: cures the overflow at the ends only (must say: wrong between 6 and 1000)
class TanhBlock:
    def forward(self, z):
        odd = z * (1 - z**2 / 3 + 2 * z**4 / 15 - 17 * z**6 / 315 + 62 * z**8 / 2835)
        plain = (z.exp() - (-z).exp()) / (z.exp() + (-z).exp())
        y = torch.where(z.abs() < 0.02, odd, plain)
        self.y = torch.where(z.abs() > 500, z.sign(), y)
        return self.y

    def backward(self, grad_y):
        return grad_y * (1 - self.y**2)


# %% exercise 1, wrong: the library (must say: tanh is used, which the task does not allow)
class TanhBlock:
    def forward(self, z):
        self.y = torch.tanh(z)
        return self.y

    def backward(self, grad_y):
        return grad_y * (1 - self.y**2)


# %% exercise 1, wrong: no square (must say: the gradient for z is not grad_y)
class TanhBlock:
    def forward(self, z):
        t = torch.expm1(-2 * z.abs())
        self.y = torch.copysign(-t / (2 + t), z)
        return self.y

    def backward(self, grad_y):
        return grad_y * (1 - self.y)


# %% exercise 1, wrong: without the chain rule (must say: the gradient for z is not grad_y)
class TanhBlock:
    def forward(self, z):
        t = torch.expm1(-2 * z.abs())
        self.y = torch.copysign(-t / (2 + t), z)
        return self.y

    def backward(self, grad_y):
        return 1 - self.y**2


# %% exercise 1, wrong: forgets to return (must say: forward gave a NoneType, not a tensor)
class TanhBlock:
    def forward(self, z):
        t = torch.expm1(-2 * z.abs())
        self.y = torch.copysign(-t / (2 + t), z)

    def backward(self, grad_y):
        return grad_y * (1 - self.y**2)


# %% exercise 1, wrong: overwrites grad_y (must say: the gradient that it was given, in place)
class TanhBlock:
    def forward(self, z):
        t = torch.expm1(-2 * z.abs())
        self.y = torch.copysign(-t / (2 + t), z)
        return self.y

    def backward(self, grad_y):
        return grad_y.mul_(1 - self.y**2)


# %% exercise 1, wrong: keeps the first forward (must say: when a block is used again)
class TanhBlock:
    y = None

    def forward(self, z):
        t = torch.expm1(-2 * z.abs())
        y = torch.copysign(-t / (2 + t), z)
        if self.y is None:
            self.y = y
        return y

    def backward(self, grad_y):
        return grad_y * (1 - self.y**2)


# %% exercise 1, wrong: loses a dimension (must say: instead of (1, 209))
class TanhBlock:
    def forward(self, z):
        t = torch.expm1(-2 * z.abs())
        self.y = torch.copysign(-t / (2 + t), z)
        return self.y.squeeze()

    def backward(self, grad_y):
        return grad_y * (1 - self.y**2)


# %% exercise 1, wrong: no class (must say: must be the class itself)
TanhBlock = torch.nn.Identity()


# %% exercise 2, right: saves the input, and computes y again
class OwnTanh(torch.autograd.Function):
    @staticmethod
    def value(z):
        t = torch.expm1(-2 * z.abs())
        return torch.copysign(-t / (2 + t), z)

    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return OwnTanh.value(z)

    @staticmethod
    def backward(ctx, grad_y):
        return grad_y * (1 - OwnTanh.apply(ctx.saved_tensors[0]) ** 2)


class Tanh(nn.Module):
    def forward(self, z):
        return OwnTanh.apply(z)


# %% exercise 2, right: forward and setup_context apart
class OwnTanh(torch.autograd.Function):
    @staticmethod
    def forward(z):
        t = torch.expm1(2 * z.clamp(-25, 25))
        return t / (t + 2)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad_y):
        (y,) = ctx.saved_tensors
        return (1 + y) * (1 - y) * grad_y


class Tanh(nn.Module):
    def forward(self, z):
        return OwnTanh.apply(z)


# %% exercise 2, wrong: saves the slope (must say: the second derivative is wrong)
class OwnTanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        t = torch.expm1(-2 * z.abs())
        y = torch.copysign(-t / (2 + t), z)
        ctx.save_for_backward(1 - y**2)
        return y

    @staticmethod
    def backward(ctx, grad_y):
        return grad_y * ctx.saved_tensors[0]


class Tanh(nn.Module):
    def forward(self, z):
        return OwnTanh.apply(z)


# %% exercise 2, wrong: once differentiable (must say: the second derivative is wrong)
class OwnTanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        t = torch.expm1(-2 * z.abs())
        y = torch.copysign(-t / (2 + t), z)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_y):
        return grad_y * (1 - ctx.saved_tensors[0] ** 2)


class Tanh(nn.Module):
    def forward(self, z):
        return OwnTanh.apply(z)


# %% exercise 2, wrong: autograd does it (must say: does not come from an autograd.Function)
class Tanh(nn.Module):
    def forward(self, z):
        t = torch.expm1(-2 * z.abs())
        return torch.copysign(-t / (2 + t), z)


# %% exercise 2, wrong: a Function around nothing (must say: backward must do all of it)
class Same(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        return z.clone()

    @staticmethod
    def backward(ctx, grad_y):
        return grad_y


class Tanh(nn.Module):
    def forward(self, z):
        t = torch.expm1(2 * Same.apply(z).clamp(-25, 25))
        return t / (t + 2)


# %% exercise 2, wrong: the Function itself (must say: it must be an nn.Module)
class Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        t = torch.expm1(-2 * z.abs())
        y = torch.copysign(-t / (2 + t), z)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_y):
        return grad_y * (1 - ctx.saved_tensors[0] ** 2)


# %% exercise 2, wrong: not applied to z (must say: the layer gave a NoneType, not a tensor)
class Tanh(nn.Module):
    def forward(self, z):
        torch.expm1(z)


# %% exercise 2, wrong: backward forgets to return (must say: backward gave a NoneType)
class TanhFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        t = torch.expm1(-2 * z.abs())
        y = torch.copysign(-t / (2 + t), z)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_y):
        (y,) = ctx.saved_tensors
        grad_y * (1 - y**2)


class Tanh(nn.Module):
    def forward(self, z):
        return TanhFunction.apply(z)


# %% exercise 2, wrong: the slope overflows (must say: is not finite for large z)
class TanhFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        t = torch.expm1(-2 * z.abs())
        return torch.copysign(-t / (2 + t), z)

    @staticmethod
    def backward(ctx, grad_y):
        (z,) = ctx.saved_tensors
        return grad_y * 4 / (z.exp() + (-z).exp()) ** 2


class Tanh(nn.Module):
    def forward(self, z):
        return TanhFunction.apply(z)


# %% exercise 3, right: torch.normal
class GaussianNoise(nn.Module):
    def __init__(self, sigma):
        super().__init__()
        self.sigma = sigma

    def forward(self, images):
        return torch.normal(images, self.sigma) if self.training else images


# %% exercise 3, right: image by image, a copy in evaluation mode
class GaussianNoise(nn.Module):
    def __init__(self, sigma):
        super().__init__()
        self.sigma = sigma

    def forward(self, images):
        if not self.training:
            return images.clone()
        noise = [torch.empty_like(image).normal_(0, self.sigma) for image in images]
        return images + torch.stack(noise)


# %% exercise 3, wrong: in place (must say: the input is changed in place)
class GaussianNoise(nn.Module):
    def __init__(self, sigma):
        super().__init__()
        self.sigma = sigma

    def forward(self, images):
        if self.training:
            images += self.sigma * torch.randn_like(images)
        return images


# %% exercise 3, wrong: clipped (must say: clipped)
class GaussianNoise(nn.Module):
    def __init__(self, sigma):
        super().__init__()
        self.sigma = sigma

    def forward(self, images):
        if not self.training:
            return images
        return (images + self.sigma * torch.randn_like(images)).clamp(0, 1)


# %% exercise 3, wrong: one picture of noise (must say: the noise of two pictures is not independent)
class GaussianNoise(nn.Module):
    def __init__(self, sigma):
        super().__init__()
        self.sigma = sigma

    def forward(self, images):
        return images + self.sigma * torch.randn_like(images[0]) if self.training else images


# %% exercise 3, wrong: in evaluation too (must say: images are changed in evaluation mode)
class GaussianNoise(nn.Module):
    def __init__(self, sigma):
        super().__init__()
        self.sigma = sigma

    def forward(self, images):
        return images + self.sigma * torch.randn_like(images)


# %% exercise 3, wrong: uniform (must say: the noise is not normal)
class GaussianNoise(nn.Module):
    def __init__(self, sigma):
        super().__init__()
        self.sigma = sigma

    def forward(self, images):
        noise = math.sqrt(12) * self.sigma * (torch.rand_like(images) - 0.5)
        return images + noise if self.training else images


# %% exercise 3, wrong: drawn on the CPU (must say: drawn on the CPU, whatever the device)
class GaussianNoise(nn.Module):
    def __init__(self, sigma):
        super().__init__()
        self.sigma = sigma

    def forward(self, images):
        return images + self.sigma * torch.randn(images.shape) if self.training else images


# %% exercise 3, wrong: the variance for the deviation (must say: instead of 2.0)
class GaussianNoise(nn.Module):
    def __init__(self, sigma):
        super().__init__()
        self.sigma = sigma

    def forward(self, images):
        return images + self.sigma**0.5 * torch.randn_like(images) if self.training else images


# %% exercise 3, wrong: forgets the images (must say: mean)
class GaussianNoise(nn.Module):
    def __init__(self, sigma):
        super().__init__()
        self.sigma = sigma

    def forward(self, images):
        return self.sigma * torch.randn_like(images) if self.training else images


# %% exercise 3, wrong: single precision only (must say: images of float64 do not give)
class GaussianNoise(nn.Module):
    def __init__(self, sigma):
        super().__init__()
        self.sigma = sigma

    def forward(self, images):
        if not self.training:
            return images
        return (images + self.sigma * torch.randn_like(images)).float()


# %% exercise 4, right: positions by hand, turned the other way
class RandomMove(nn.Module):
    def __init__(self, degrees, translate, fill):
        super().__init__()
        self.degrees, self.translate, self.fill = degrees, translate, fill

    def forward(self, images):
        if not self.training:
            return images
        n, device = len(images), images.device
        side = images.shape[-1]
        angle = torch.deg2rad(self.degrees * (1 - 2 * torch.rand(n, 1, 1, device=device)))
        shift = 2 * self.translate * (2 * torch.rand(n, 1, 1, 2, device=device) - 1)
        axis = (2 * torch.arange(side, device=device) + 1) / side - 1
        x, y = axis[None, None, :] - shift[..., 0], axis[None, :, None] - shift[..., 1]
        cos, sin = angle.cos(), angle.sin()
        grid = torch.stack([cos * x - sin * y, sin * x + cos * y], dim=3).to(images.dtype)
        return F.grid_sample(images - self.fill, grid, align_corners=False) + self.fill


# %% exercise 4, right: one image at a time
class RandomMove(nn.Module):
    def __init__(self, degrees, translate, fill):
        super().__init__()
        self.degrees, self.translate, self.fill = degrees, translate, fill

    def draw(self, most, device):
        return torch.empty(1, device=device).uniform_(-most, most)

    def move(self, image):
        angle = torch.deg2rad(self.draw(self.degrees, image.device))
        cos, sin = angle.cos(), angle.sin()
        back = torch.stack([torch.cat([cos, sin]), torch.cat([-sin, cos])])
        shift = torch.cat([self.draw(2 * self.translate, image.device) for _ in range(2)])
        theta = torch.cat([back, -(back @ shift)[:, None]], dim=1)[None].to(image.dtype)
        grid = F.affine_grid(theta, [1, *image.shape], align_corners=False)
        return F.grid_sample(image[None] - self.fill, grid, align_corners=False) + self.fill

    def forward(self, images):
        return torch.cat([self.move(image) for image in images]) if self.training else images


# %% exercise 4, wrong: one draw for the whole batch (must say: is the same for all images)
class RandomMove(nn.Module):
    def __init__(self, degrees, translate, fill):
        super().__init__()
        self.degrees, self.translate, self.fill = degrees, translate, fill

    def forward(self, images):
        if not self.training:
            return images
        draw = 2 * torch.rand(3, device=images.device) - 1
        angle, shift = torch.deg2rad(self.degrees * draw[0]), 2 * self.translate * draw[1:]
        cos, sin = angle.cos(), angle.sin()
        back = torch.stack([torch.stack([cos, sin]), torch.stack([-sin, cos])])
        theta = torch.cat([back, -(back @ shift)[:, None]], dim=1).expand(len(images), 2, 3)
        theta = theta.to(images.dtype)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images - self.fill, grid, align_corners=False) + self.fill


# %% exercise 4, wrong: torchvision on the batch (must say: torchvision is used, which the task)
class RandomMove(nn.Module):
    def __init__(self, degrees, translate, fill):
        super().__init__()
        self.transform = v2.RandomAffine(
            degrees, (translate, translate), interpolation=v2.InterpolationMode.BILINEAR, fill=fill
        )

    def forward(self, images):
        return self.transform(images) if self.training else images


# %% exercise 4, wrong: shifted first (must say: rotated about the centre first, and then shifted)
class RandomMove(nn.Module):
    def __init__(self, degrees, translate, fill):
        super().__init__()
        self.degrees, self.translate, self.fill = degrees, translate, fill

    def forward(self, images):
        if not self.training:
            return images
        draw = 2 * torch.rand(len(images), 3, device=images.device) - 1
        angle, (x, y) = torch.deg2rad(self.degrees * draw[:, 0]), 2 * self.translate * draw[:, 1:].T
        cos, sin = angle.cos(), angle.sin()
        theta = torch.stack([cos, sin, -x, -sin, cos, -y], dim=1).reshape(-1, 2, 3).to(images.dtype)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images - self.fill, grid, align_corners=False) + self.fill


# %% exercise 4, wrong: zeros come in (must say: what comes in from outside is not `fill`)
class RandomMove(nn.Module):
    def __init__(self, degrees, translate, fill):
        super().__init__()
        self.degrees, self.translate, self.fill = degrees, translate, fill

    def forward(self, images):
        if not self.training:
            return images
        draw = 2 * torch.rand(len(images), 3, device=images.device) - 1
        angle, (x, y) = torch.deg2rad(self.degrees * draw[:, 0]), 2 * self.translate * draw[:, 1:].T
        cos, sin = angle.cos(), angle.sin()
        rows = (cos, sin, -cos * x - sin * y, -sin, cos, sin * x - cos * y)
        theta = torch.stack(rows, dim=1).reshape(-1, 2, 3).to(images.dtype)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, align_corners=False)


# %% exercise 4, wrong: degrees taken for radians (must say: is drawn, although 15.0 is the most)
class RandomMove(nn.Module):
    def __init__(self, degrees, translate, fill):
        super().__init__()
        self.degrees, self.translate, self.fill = degrees, translate, fill

    def forward(self, images):
        if not self.training:
            return images
        draw = 2 * torch.rand(len(images), 3, device=images.device) - 1
        angle, (x, y) = self.degrees * draw[:, 0], 2 * self.translate * draw[:, 1:].T
        cos, sin = angle.cos(), angle.sin()
        rows = (cos, sin, -cos * x - sin * y, -sin, cos, sin * x - cos * y)
        theta = torch.stack(rows, dim=1).reshape(-1, 2, 3).to(images.dtype)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images - self.fill, grid, align_corners=False) + self.fill


# %% exercise 4, wrong: the share in half images (must say: is not uniform between -2.8 and 2.8)
class RandomMove(nn.Module):
    def __init__(self, degrees, translate, fill):
        super().__init__()
        self.degrees, self.translate, self.fill = degrees, translate, fill

    def forward(self, images):
        if not self.training:
            return images
        draw = 2 * torch.rand(len(images), 3, device=images.device) - 1
        angle, (x, y) = torch.deg2rad(self.degrees * draw[:, 0]), self.translate * draw[:, 1:].T
        cos, sin = angle.cos(), angle.sin()
        rows = (cos, sin, -cos * x - sin * y, -sin, cos, sin * x - cos * y)
        theta = torch.stack(rows, dim=1).reshape(-1, 2, 3).to(images.dtype)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images - self.fill, grid, align_corners=False) + self.fill


# %% exercise 4, wrong: single precision only (must say: images of float64 do not give)
class RandomMove(nn.Module):
    def __init__(self, degrees, translate, fill):
        super().__init__()
        self.degrees, self.translate, self.fill = degrees, translate, fill

    def forward(self, images):
        if not self.training:
            return images
        draw = 2 * torch.rand(len(images), 3, device=images.device) - 1
        angle = torch.deg2rad(self.degrees * draw[:, 0])
        x, y = (2 * self.translate * draw[:, 1:]).unbind(dim=1)
        cos, sin = angle.cos(), angle.sin()
        rows = (cos, sin, -cos * x - sin * y, -sin, cos, sin * x - cos * y)
        theta = torch.stack(rows, dim=1).reshape(-1, 2, 3)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images - self.fill, grid, align_corners=False) + self.fill


# %% exercise 4, wrong: 28 pixels typed in (must say: is drawn, although 1.6 is the most)
class RandomMove(nn.Module):
    def __init__(self, degrees, translate, fill):
        super().__init__()
        self.degrees, self.translate, self.fill = degrees, translate, fill

    def forward(self, images):
        if not self.training:
            return images
        draw = 2 * torch.rand(len(images), 3, device=images.device) - 1
        angle = torch.deg2rad(self.degrees * draw[:, 0])
        pixels = 28 * self.translate * draw[:, 1:]
        x, y = (2 * pixels / images.shape[-1]).unbind(dim=1)
        cos, sin = angle.cos(), angle.sin()
        rows = (cos, sin, -cos * x - sin * y, -sin, cos, sin * x - cos * y)
        theta = torch.stack(rows, dim=1).reshape(-1, 2, 3).to(images.dtype)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images - self.fill, grid, align_corners=False) + self.fill


# %% exercise 4, wrong: corners aligned, shifts fall short (must say: not uniform between -1.6)
class RandomMove(nn.Module):
    def __init__(self, degrees, translate, fill):
        super().__init__()
        self.degrees, self.translate, self.fill = degrees, translate, fill

    def forward(self, images):
        if not self.training:
            return images
        draw = 2 * torch.rand(len(images), 3, device=images.device) - 1
        angle = torch.deg2rad(self.degrees * draw[:, 0])
        x, y = (2 * self.translate * draw[:, 1:]).unbind(dim=1)
        cos, sin = angle.cos(), angle.sin()
        rows = (cos, sin, -cos * x - sin * y, -sin, cos, sin * x - cos * y)
        theta = torch.stack(rows, dim=1).reshape(-1, 2, 3).to(images.dtype)
        grid = F.affine_grid(theta, list(images.shape), align_corners=True)
        return F.grid_sample(images - self.fill, grid, align_corners=True) + self.fill


# %% exercise 4, wrong: angles not drawn, but spread (must say: independently of each other)
class RandomMove(nn.Module):
    def __init__(self, degrees, translate, fill):
        super().__init__()
        self.degrees, self.translate, self.fill = degrees, translate, fill

    def forward(self, images):
        if not self.training:
            return images
        draw = 2 * torch.rand(len(images), 2, device=images.device) - 1
        spread = torch.linspace(-1, 1, len(images), device=images.device)
        angle, (x, y) = torch.deg2rad(self.degrees * spread), 2 * self.translate * draw.T
        cos, sin = angle.cos(), angle.sin()
        rows = (cos, sin, -cos * x - sin * y, -sin, cos, sin * x - cos * y)
        theta = torch.stack(rows, dim=1).reshape(-1, 2, 3).to(images.dtype)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images - self.fill, grid, align_corners=False) + self.fill


# %% exercise 5, right: a DataLoader with a collate function
def augmented_loaders(train, test, augment, batch_size=64, seed=0):
    from torch.utils.data import DataLoader, TensorDataset, default_collate

    def collate(examples):
        images, labels = default_collate(examples)
        return augment(images), labels

    order = torch.Generator().manual_seed(seed)
    training = DataLoader(
        TensorDataset(*train), batch_size, shuffle=True, generator=order, collate_fn=collate
    )
    return training, DataLoader(TensorDataset(*test), batch_size)


# %% exercise 5, right: two classes of one's own
def augmented_loaders(train, test, augment, batch_size=64, seed=0):
    order = torch.Generator().manual_seed(seed)

    class Test:
        def __init__(self, images, labels):
            self.images, self.labels = images, labels

        def __len__(self):
            return math.ceil(len(self.labels) / batch_size)

        def rows(self):
            return torch.arange(len(self.labels))

        def __iter__(self):
            for rows in self.rows().split(batch_size):
                rows = rows.to(self.labels.device)
                yield self.change(self.images[rows]), self.labels[rows]

        def change(self, images):
            return images

    class Train(Test):
        def rows(self):
            return torch.randperm(len(self.labels), generator=order)

        def change(self, images):
            return augment(images)

    return Train(*train), Test(*test)


# %% exercise 5, wrong: augmented once (must say: each pass must augment each training image once)
def augmented_loaders(train, test, augment, batch_size=64, seed=0):
    order = torch.Generator().manual_seed(seed)
    images = augment(train[0])
    return (
        data.TensorLoader(images, train[1], batch_size=batch_size, shuffle=True, generator=order),
        data.TensorLoader(*test, batch_size=batch_size),
    )


# %% exercise 5, wrong: the test set too (must say: the test images are changed)
def augmented_loaders(train, test, augment, batch_size=64, seed=0):
    order = torch.Generator().manual_seed(seed)
    options = {"batch_size": batch_size, "transform": lambda x, y: (augment(x), y)}
    return (
        data.TensorLoader(*train, shuffle=True, generator=order, **options),
        data.TensorLoader(*test, **options),
    )


# %% exercise 5, wrong: not shuffled (must say: the training order is not drawn anew)
def augmented_loaders(train, test, augment, batch_size=64, seed=0):
    return (
        data.TensorLoader(*train, batch_size=batch_size, transform=lambda x, y: (augment(x), y)),
        data.TensorLoader(*test, batch_size=batch_size),
    )


# %% exercise 5, wrong: without the seed (must say: the order must come from the seed alone)
def augmented_loaders(train, test, augment, batch_size=64, seed=0):
    return (
        data.TensorLoader(
            *train, batch_size=batch_size, shuffle=True, transform=lambda x, y: (augment(x), y)
        ),
        data.TensorLoader(*test, batch_size=batch_size),
    )


# %% exercise 5, wrong: seeds the world (must say: global generator is seeded anew)
def augmented_loaders(train, test, augment, batch_size=64, seed=0):
    torch.manual_seed(seed)
    order = torch.Generator().manual_seed(seed)
    return (
        data.TensorLoader(
            *train,
            batch_size=batch_size,
            shuffle=True,
            generator=order,
            transform=lambda x, y: (augment(x), y),
        ),
        data.TensorLoader(*test, batch_size=batch_size),
    )


# %% exercise 5, wrong: the same copies in all batches (must say: augment draws the same)
def augmented_loaders(train, test, augment, batch_size=64, seed=0):
    def change(images, labels):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return augment(images), labels

    order = torch.Generator().manual_seed(seed)
    return (
        data.TensorLoader(
            *train, batch_size=batch_size, shuffle=True, generator=order, transform=change
        ),
        data.TensorLoader(*test, batch_size=batch_size),
    )


# %% exercise 5, wrong: labels as numbers with a point (must say: they must stay what they were)
def augmented_loaders(train, test, augment, batch_size=64, seed=0):
    order = torch.Generator().manual_seed(seed)
    return (
        data.TensorLoader(
            *train,
            batch_size=batch_size,
            shuffle=True,
            generator=order,
            transform=lambda x, y: (augment(x), y.float()),
        ),
        data.TensorLoader(*test, batch_size=batch_size),
    )


# %% exercise 5, wrong: one loader (must say: it must return two loaders)
def augmented_loaders(train, test, augment, batch_size=64, seed=0):
    order = torch.Generator().manual_seed(seed)
    return data.TensorLoader(
        *train,
        batch_size=batch_size,
        shuffle=True,
        generator=order,
        transform=lambda x, y: (augment(x), y),
    )


# %% exercise 5, wrong: the transform loses the labels (must say: batches of images and labels)
def augmented_loaders(train, test, augment, batch_size=64, seed=0):
    order = torch.Generator().manual_seed(seed)
    return (
        data.TensorLoader(
            *train,
            batch_size=batch_size,
            shuffle=True,
            generator=order,
            transform=lambda x, y: (augment(x),),
        ),
        data.TensorLoader(*test, batch_size=batch_size),
    )


# %% exercise 5, wrong: no values by default (must say: without them, batch_size must be 64)
def augmented_loaders(train, test, augment, batch_size, seed):
    order = torch.Generator().manual_seed(seed)
    return (
        data.TensorLoader(
            *train,
            batch_size=batch_size,
            shuffle=True,
            generator=order,
            transform=lambda x, y: (augment(x), y),
        ),
        data.TensorLoader(*test, batch_size=batch_size),
    )

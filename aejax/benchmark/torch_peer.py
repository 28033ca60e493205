"""PyTorch as a contender: an eager training loop, from memory or a DataLoader, and its faster variants."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from aejax.benchmark.ours import random_images

Variant = Literal["plain", "loader", "fused", "layout", "compiled"]
SHAPES = {"dense": (28, 28, 1), "conv": (28, 28, 1), "vae": (28, 28, 1), "vit": (32, 32, 3)}


def make_runner(
    network: str, batch_size: int, num_images: int, variant: Variant = "plain", device: str | None = None
) -> "_TorchTraining":
    """Returns a runner that trains for an epoch.

    Variants: "loader" reads from a DataLoader; "fused" has Adam as one kernel; "layout" that, and channels last;
    "compiled" that of `torch.compile` with fused Adam. `device` is "cuda" or "cpu"; None: a GPU, if there is one.
    """
    return _TorchTraining(network, batch_size, num_images, variant, device)


def set_up_torch(device: str | None) -> str:
    """Returns the device, after letting it multiply as JAX does by default, and forget how much memory was in use.

    Raises:
      RuntimeError: if it is a GPU, and there is none.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda":
        if not torch.cuda.is_available():
            raise RuntimeError(f"PyTorch {torch.__version__} sees no GPU")
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    return device


def load_images(network: str, num_images: int, device: str) -> torch.Tensor:
    """Returns the random images that every contender trains on, float32 [images, channels, height, width]."""
    images = random_images(SHAPES[network], num_images).astype(np.float32) / 255
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).to(device)


def draw_noise(model: nn.Module, *shape: int, device: str) -> tuple[torch.Tensor, ...]:
    """Returns the inputs of a network beside images: for a VAE its noise, [*shape, latent size]; for others none."""
    return (torch.randn(*shape, model.latent_size, device=device),) if isinstance(model, TorchVae) else ()


def peak_memory(device: str, members: int = 1) -> dict[str, float]:
    """Returns the most memory that was in use of a GPU, in all and for each member."""
    if device != "cuda":
        return {}
    most = torch.cuda.max_memory_allocated() / 1e6
    return {"memory_mb": most, "mb_a_member": most / members}


class _TorchTraining:
    """One model that trains for an epoch."""

    def __init__(self, network: str, batch_size: int, num_images: int, variant: Variant, device: str | None):
        self._device = set_up_torch(device)
        self._batch_size, self._variant = batch_size, variant
        self._images = load_images(network, num_images, self._device)
        self.model = model = NETWORKS[network]().to(self._device)
        if variant == "layout":
            model = model.to(memory_format=torch.channels_last)
            self._images = self._images.to(memory_format=torch.channels_last)
        fused = variant in ("fused", "layout", "compiled")
        self._optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)
        self._loss: Any = torch.compile(model) if variant == "compiled" else model

    def _batches(self) -> Iterator[torch.Tensor]:
        if self._variant == "loader":
            data = torch.utils.data.TensorDataset(self._images)
            loader = torch.utils.data.DataLoader(data, batch_size=self._batch_size, shuffle=True, drop_last=True)
            yield from (image for (image,) in loader)
        else:
            order = torch.randperm(len(self._images), device=self._device)
            for start in range(0, len(order) - self._batch_size + 1, self._batch_size):
                yield self._images[order[start : start + self._batch_size]]

    def run(self) -> float:
        num_images = 0
        for image in self._batches():
            self.step(image, *draw_noise(self.model, len(image), device=self._device))
            num_images += len(image)
        if self._device == "cuda":
            torch.cuda.synchronize()
        return num_images

    def step(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Returns the loss before a step on a batch."""
        self._optimizer.zero_grad()
        loss: torch.Tensor = self._loss(*inputs)
        loss.backward()
        self._optimizer.step()
        return loss.detach()

    def facts(self) -> dict[str, float]:
        return peak_memory(self._device)


class TorchDense(nn.Module):
    """784-256-784."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 784), nn.Sigmoid())

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns the loss."""
        image = image.flatten(1)
        return functional.mse_loss(self.layers(image), image)


class TorchConvolutional(nn.Module):
    """32 and 64 channels, kernel 3, stride 2, a latent of 64, and its mirror."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(3136, 64),
        )
        self.decoder = nn.Sequential(
            nn.Linear(64, 3136),
            nn.ReLU(),
            nn.Unflatten(1, (64, 7, 7)),
            nn.ConvTranspose2d(64, 32, 3, 2, 1, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 1, 3, 2, 1, 1),
            nn.Sigmoid(),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns the loss."""
        return functional.mse_loss(self.decoder(self.encoder(image)), image)


class TorchVae(nn.Module):
    """784-512-16-512-784: half the squared error of pixels, and the divergence of Gaussian codes."""

    latent_size = 16

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 2 * self.latent_size))
        self.decoder = nn.Sequential(nn.Linear(self.latent_size, 512), nn.ReLU(), nn.Linear(512, 784), nn.Sigmoid())

    def forward(self, image: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Returns the loss."""
        image = image.flatten(1)
        mean, log_variance = self.encoder(image).chunk(2, dim=1)
        output = self.decoder(mean + (log_variance / 2).exp() * noise)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
        return ((output - image).square().sum(1) / 2 + divergence).mean()


class TorchBlock(nn.Module):
    """Self-attention, then a hidden layer, each on normalised tokens and added to them."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.query_key_value, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Returns tokens of the same shape."""
        batch, count, width = tokens.shape
        joint = self.query_key_value(self.norms[0](tokens))
        heads = joint.view(batch, count, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(*heads).transpose(1, 2).reshape(batch, count, width)
        tokens = tokens + self.output(attended)
        return tokens + self.contract(functional.gelu(self.expand(self.norms[1](tokens)), approximate="tanh"))


class TorchVisiblePatches(nn.Module):
    """A ViT encoder of 12 blocks, width 192 and 3 heads on 16 of 64 tokens, and a layer back to their pixels."""

    def __init__(self, size: int = 4, width: int = 192, visible: int = 16):
        super().__init__()
        self.size, self.visible = size, visible
        self.patches = nn.Conv2d(3, width, size, size)
        self.register_buffer("positions", torch.randn(1, 64, width))
        self.blocks = nn.Sequential(*(TorchBlock(width, 3) for _ in range(12)), nn.LayerNorm(width))
        self.pixels = nn.Linear(width, 3 * size * size)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns the loss."""
        tokens = self.patches(image).flatten(2).transpose(1, 2) + self.positions
        order = torch.rand(tokens.shape[:2], device=image.device).argsort(1)[:, : self.visible, None]
        output = self.pixels(self.blocks(tokens.gather(1, order.expand(-1, -1, tokens.shape[2]))))
        target = functional.unfold(image, self.size, stride=self.size).transpose(1, 2)
        target = target.gather(1, order.expand(-1, -1, target.shape[2]))
        return functional.mse_loss(output.sigmoid(), target)


NETWORKS: dict[str, type[nn.Module]] = {
    "dense": TorchDense,
    "conv": TorchConvolutional,
    "vae": TorchVae,
    "vit": TorchVisiblePatches,
}

"""PyTorch's own way to train many models at once, as a contender: `torch.func` over stacked parameters, fused Adam.

Source: https://docs.pytorch.org/tutorials/intermediate/ensembling.html
"""

import torch
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from aejax.benchmark.torch_peer import NETWORKS, draw_noise, load_images, peak_memory, set_up_torch


def make_runner(network: str, batch_size: int, num_images: int, members: int, device: str | None = None) -> "_Stacked":
    """Returns a runner that trains so many members for an epoch."""
    return _Stacked(network, batch_size, num_images, members, device)


class _Stacked:
    """Members whose parameters are stacked, each with batches of its own."""

    def __init__(self, network: str, batch_size: int, num_images: int, members: int, device: str | None):
        self._device = set_up_torch(device)
        self._batch_size, self._members = batch_size, members
        self._images = load_images(network, num_images, self._device)
        stacked, _ = stack_module_state([NETWORKS[network]().to(self._device) for _ in range(members)])
        self.parameters = {name: parameter.detach() for name, parameter in stacked.items()}
        del stacked
        self._optimizer = torch.optim.Adam(self.parameters.values(), lr=1e-3, fused=True)
        self._model = model = NETWORKS[network]().to("meta")

        def loss(parameters: dict[str, torch.Tensor], *inputs: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = functional_call(model, parameters, inputs)
            return result

        self._gradients = vmap(grad_and_value(loss))

    def run(self) -> float:
        count, size = len(self._images), self._batch_size
        order = torch.rand(self._members, count, device=self._device).argsort(1)
        steps = count // size
        for step in range(steps):
            image = self._images[order[:, step * size : (step + 1) * size]]
            self.step(image, *draw_noise(self._model, self._members, size, device=self._device))
        if self._device == "cuda":
            torch.cuda.synchronize()
        return self._members * steps * size

    def step(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Returns the loss of each member, [members], before a step on its batch, [members, batch, ...]."""
        gradients, losses = self._gradients(self.parameters, *inputs)
        for name, parameter in self.parameters.items():
            parameter.grad = gradients[name]
        self._optimizer.step()
        return losses

    def facts(self) -> dict[str, float]:
        return peak_memory(self._device, self._members)

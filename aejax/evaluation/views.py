"""Views of an image over which the scores of a classifier are averaged: its mirror image, and the image moved a bit."""

import dataclasses

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Views:
    """The image itself, and perhaps its mirror image, each at its place alone or at the eight around it, too."""

    flip: bool = False  # Whether the mirror image (left and right exchanged) is a view.
    shift: int = 0  # By how many pixels a view is moved down or up, to the right or left, or both; 0: by none.

    @property
    def num(self) -> int:
        """The number of views, that of the image itself included."""
        return self._num_places * (2 if self.flip else 1)

    @property
    def _num_places(self) -> int:
        return 9 if self.shift else 1

    def of(self, image: jax.Array, view: jax.typing.ArrayLike) -> jax.Array:
        """Returns a view of images [n, height, width, channels], of their shape and type; view 0 is the images.

        The pixels at the border are repeated where an image is moved away from it.

        Args:
          image: at least `shift` pixels high and wide.
          view: its number, below `num`.
        """
        mirrored, place = jnp.divmod(jnp.asarray(view), self._num_places)
        if self.flip:
            image = jnp.where(mirrored > 0, image[:, :, ::-1], image)
        if not self.shift:
            return image
        border = (self.shift, self.shift)
        padded = jnp.pad(image, ((0, 0), border, border, (0, 0)), mode="edge")
        # How far the window is moved, from the padded corner on: 1 is the place of the image itself.
        row, column = (jnp.array([1, 0, 2])[index] * self.shift for index in jnp.divmod(place, 3))
        return jax.lax.dynamic_slice(padded, (0, row, column, 0), image.shape)


ALONE = Views()  # The image, and no other view.

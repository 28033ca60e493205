"""Every autoencoder with the sampler of its codes that draws the best images, a row for each."""

from aejax.report.content import Content, Section
from aejax.report.html import join, note, table
from aejax.report.tables import make_overview, to_aligned

_NOTE = (
    "Test images; of each measure the first metric. The Fréchet distance is that of images by the sampler beside it, "
    "which validation images rank first of those that were fitted to the same codes. Seconds are those of training."
)


def overview(content: Content) -> Section | None:
    """Returns the table of autoencoders with their best samplers, if there are several that have one."""
    found = make_overview(content.settings)
    if found is None:
        return None
    body = join(note(_NOTE), table(found.heading, found.rows, class_="sortable"))
    return Section("overview", "Autoencoders with their best samplers", body, f"{_NOTE}\n\n{to_aligned(found)}")

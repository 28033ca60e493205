"""Pictures as SVG that the page's own scripts explore point by point: they take their colors from its style."""

from aejax.report.html import Html, element

NUM_CLASS_COLORS = 10  # As many as assets/explore.css defines, told apart by more than their order: for classes.


def drawing(content: Html, size: tuple[float, float], title: str, **attributes: object) -> Html:
    """Returns an SVG of a width and height of its own units that is described by its title."""
    box = f"0 0 {size[0]} {round(size[1], 1)}"
    namespace = "http://www.w3.org/2000/svg"
    return element("svg", content, viewBox=box, role="img", aria_label=title, xmlns=namespace, **attributes)

"""What sections share that show pictures of several members: one panel of them at a time, and cards in an order."""

from collections.abc import Sequence

from aejax.report.html import Html, render

FIRST = 16  # Cards that are shown before more are asked for; assets/report.css knows the number too.


def panels(label: str, shown: Sequence[tuple[str, Html]]) -> Html:
    """Returns parts, of which a reader chooses one by its title from a list that is called `label`.

    Without scripts all are there, one below the other; on paper is what was chosen.
    """
    return render("panels.html", label=label, shown=shown)


def cards(parts: Sequence[Html], orders: Sequence[str] = ()) -> Html:
    """Returns cards side by side, the first 16 until more are asked for; on paper and without scripts all.

    They can be ordered, largest first, by the attributes `data-<order>` that they have; they come in the first order.
    """
    return render("cards.html", parts=parts, first=FIRST, orders=orders)

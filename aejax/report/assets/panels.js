// Parts of which one is chosen, cards that are ordered, and pictures that a slider moves through.

/** Shows one of several panels, chosen by its heading. */
function makeChooser(panels) {
  const parts = [...panels.children];
  if (parts.length < 2) return;
  const titles = parts.map((part) => part.firstElementChild.textContent);
  const show = (index) => parts.forEach((part, other) => { part.hidden = other !== index; });
  panels.prepend(make("div", { className: "controls" }, makeChoice(panels.dataset.label, titles, show)));
  panels.classList.add("chosen");
  show(0);
}

/** Lets cards be ordered by what they are marked with, and those beyond the first be shown. */
function makeCards(cards) {
  const controls = make("div", { className: "controls" });
  const orders = cards.dataset.orders?.split(",") ?? [];
  const sort = (index) => {
    const key = (card) => Number.parseFloat(card.dataset[orders[index]]);
    const last = (card) => (Number.isNaN(key(card)) ? -Infinity : key(card));
    cards.append(...[...cards.children].sort((left, right) => last(right) - last(left)));
  };
  if (orders.length > 1) controls.append(makeChoice("Order by", orders, sort));
  const num = cards.children.length;
  // The style shows the first ones alone; only those that it leaves out need a button.
  if (num > Number(cards.dataset.first)) {
    const button = make("button", { type: "button", ariaExpanded: "false" }, `Show all ${num}`);
    button.addEventListener("click", () => {
      const all = cards.classList.toggle("all");
      button.ariaExpanded = String(all);
      button.textContent = all ? `Show the first ${cards.dataset.first}` : `Show all ${num}`;
    });
    controls.append(button);
  }
  if (controls.children.length) cards.before(controls);
}

/** Shows one of a strip's pictures, which a slider chooses. */
function makeSlider(strip) {
  const values = strip.dataset.values.split(" ");
  const output = make("output");
  const slider = make("input", {
    type: "range", min: 0, max: values.length - 1, value: Math.floor(values.length / 2), ariaLabel: strip.dataset.label,
  });
  const move = () => {
    strip.style.setProperty("--step", slider.value);
    output.textContent = values[slider.value];
    slider.setAttribute("aria-valuetext", values[slider.value]);
  };
  slider.addEventListener("input", move);
  strip.append(make("div", { className: "slider" }, slider, output));
  move();
}

document.querySelectorAll(".strip[data-values]").forEach(makeSlider);
document.querySelectorAll(".cards").forEach(makeCards);
document.querySelectorAll(".panels").forEach(makeChooser);

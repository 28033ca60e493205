// Charts: each is drawn by Vega when it comes near the window, the others when there is nothing else to do, or to print.

/** Returns the points of a chart's data from their columns; a column of texts has each text once. */
function makePoints(table, columns) {
  const entries = Object.entries(table).map(([name, index]) => {
    const column = columns[index];
    return [name, column.words ? column.at.map((place) => column.words[place]) : column];
  });
  return (entries[0]?.[1] ?? []).map((_, row) => {
    return Object.fromEntries(entries.map(([name, column]) => [name, column[row]]).filter(([, value]) => value !== null));
  });
}

/** Shows beside the pointer what a chart says of a point: lines of a word and a value. */
function tellPoint(tip, event, value) {
  tip.hidden = value === null || value === undefined || value === "";
  if (tip.hidden) return;
  const lines = Object.entries(value).filter(([, text]) => !["", "null", "NaN", "undefined"].includes(String(text)));
  tip.replaceChildren(...lines.map(([word, text]) => make("span", {}, make("strong", {}, word), ` ${text}`)));
  const [width, height] = [document.documentElement.clientWidth, tip.offsetHeight];
  tip.style.left = `${Math.max(0, Math.min(event.clientX + 12, width - tip.offsetWidth - 4))}px`;
  tip.style.top = `${event.clientY > height + 12 ? event.clientY - height - 12 : event.clientY + 16}px`;
}

/** Returns the functions that draw the charts of the page, by their places. */
function makeDrawings(tip) {
  const drawings = new Map();
  for (const group of document.querySelectorAll(".charts:has(> script)")) {
    const { charts, columns } = JSON.parse(group.firstElementChild.textContent);
    [...group.querySelectorAll(".chart")].forEach((place, index) => drawings.set(place, () => {
      drawings.delete(place);
      const { tables } = charts[index];
      const datasets = Object.fromEntries(Object.keys(tables).map((name) => [name, makePoints(tables[name], columns)]));
      const size = { width: "container", autosize: { type: "fit-x", contains: "padding" } };
      const spec = { ...charts[index].spec, ...size, datasets };
      const { title } = place.dataset;
      const options = {
        actions: { export: true, source: false, compiled: false, editor: false },
        downloadFileName: title.replace(/\W+/g, "_"),
        tooltip: (_, event, item, value) => tellPoint(tip, event, value),
      };
      return window.vegaEmbed(place, spec, { renderer: "svg", ...options }).then(() => {
        for (const svg of place.querySelectorAll("svg")) svg.ariaLabel = title;
      });
    }));
  }
  return drawings;
}

function drawCharts() {
  const tip = make("div", { className: "tip fixed", role: "status", hidden: true });
  document.body.append(tip);
  const drawings = makeDrawings(tip);
  const draw = (place) => drawings.get(place)?.();
  const observer = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) {
        observer.unobserve(target);
        draw(target);
      }
    }
  }, { rootMargin: "200px" });
  drawings.forEach((_, place) => observer.observe(place));
  // Safari has no idle callbacks.
  const whenIdle = (callback) => (window.requestIdleCallback ?? ((later) => setTimeout(later, 50)))(callback);
  const next = () => {
    const place = [...drawings.keys()].find((one) => one.offsetWidth);
    if (place) draw(place).finally(() => whenIdle(next));
  };
  whenIdle(next);
  window.addEventListener("beforeprint", () => [...drawings.keys()].forEach(draw));
}

drawCharts();

// Drawings whose points are told of one by one: by the pointer, by touch, and by the arrow keys.
const REACH = 30; // Pixels around a point in which the pointer means it.
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Tells of points {x, y} of a drawing that `shown` allows: `describe` returns what is said of one. */
function explore(holder, drawing, points, describe, shown = () => true) {
  const tip = make("div", { className: "tip", role: "status", hidden: true });
  holder.append(tip);
  holder.tabIndex = 0;
  holder.setAttribute("role", "group");
  holder.ariaLabel = `${drawing.getAttribute("aria-label")}; arrow keys go from point to point`;
  const mark = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  mark.setAttribute("class", "here");
  mark.setAttribute("r", drawing.dataset.radius);
  let current = null;

  const hide = () => {
    tip.hidden = true;
    mark.remove();
  };
  const tell = (point) => {
    current = point;
    tip.replaceChildren(...describe(point));
    tip.hidden = false;
    mark.setAttribute("cx", point.x);
    mark.setAttribute("cy", point.y);
    drawing.append(mark);
    const [box, at] = [holder.getBoundingClientRect(), mark.getBoundingClientRect()];
    const left = Math.min(at.right - box.left + 6, box.width - tip.offsetWidth);
    const above = at.top - box.top - tip.offsetHeight - 6;
    tip.style.left = `${Math.max(0, left)}px`;
    tip.style.top = `${above >= 0 ? above : at.bottom - box.top + 6}px`;
  };
  const nearest = (x, y, among = points.filter(shown)) => {
    const distance = (point) => (point.x - x) ** 2 + (point.y - y) ** 2;
    return among.reduce((best, point) => (best && distance(best) <= distance(point) ? best : point), null);
  };
  const point = (event) => {
    const matrix = drawing.getScreenCTM();
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    const found = nearest(x, y);
    if (found && Math.hypot(found.x - x, found.y - y) * matrix.a < REACH) {
      if (found !== current || tip.hidden) tell(found);
    } else hide();
  };
  drawing.addEventListener("pointermove", point);
  drawing.addEventListener("pointerdown", point);
  drawing.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && hide());
  holder.addEventListener("focus", () => {
    const { width, height } = drawing.viewBox.baseVal;
    const found = current && shown(current) ? current : nearest(width / 2, height / 2);
    // A touch is about to say which point it means.
    if (found && holder.matches(":focus-visible")) tell(found);
  });
  holder.addEventListener("blur", hide);
  holder.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    const direction = DIRECTIONS[event.key];
    if (!direction || !current) return;
    event.preventDefault();
    const ahead = points.filter((other) => {
      const [right, down] = [other.x - current.x, other.y - current.y];
      const along = right * direction[0] + down * direction[1];
      return shown(other) && along > 0 && along >= Math.abs(right * direction[1] + down * direction[0]);
    });
    const next = nearest(current.x, current.y, ahead);
    if (next) {
      tell(next);
      mark.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  });
}

/** Makes a map of images: each point shows its image, and classes can be picked out. */
function makeMap(holder) {
  const drawing = holder.querySelector("svg");
  const sheet = document.getElementById(holder.dataset.sheet);
  const columns = Number(sheet.dataset.columns);
  const [width, height] = [sheet.naturalWidth / columns, Number(sheet.dataset.height)];
  const scale = Math.max(1, Math.round(84 / width));
  const points = [...drawing.querySelectorAll("path")].flatMap((path) => {
    const first = Number(path.dataset.first);
    const places = path.getAttribute("d").matchAll(/M(\d+) (\d+)/g);
    return [...places].map(([, x, y], index) => ({ x: Number(x), y: Number(y), index: first + index, path }));
  });
  const canvas = make("canvas", { width: width * scale, height: height * scale });
  const describe = ({ index, path }) => {
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    const [left, top] = [(index % columns) * width, Math.floor(index / columns) * height];
    context.drawImage(sheet, left, top, width, height, 0, 0, canvas.width, canvas.height);
    return [canvas, make("span", {}, path.dataset.name ?? "")];
  };
  const picked = new Set();
  explore(holder, drawing, points, describe, ({ path }) => !picked.size || picked.has(path.dataset.name));
  for (const entry of holder.parentElement.querySelectorAll(".legend li")) {
    const name = entry.textContent;
    const button = make("button", { type: "button", ariaPressed: "false" }, ...entry.childNodes);
    entry.append(button);
    button.addEventListener("click", () => {
      if (!picked.delete(name)) picked.add(name);
      button.ariaPressed = String(picked.has(name));
      for (const path of drawing.querySelectorAll("path")) {
        path.classList.toggle("dim", picked.size > 0 && !picked.has(path.dataset.name));
      }
    });
  }
}

/** Makes a matrix of which each cell tells its two names and its value. */
function makeMatrix(holder) {
  const drawing = holder.querySelector("svg");
  const { names, values, left, top, size } = JSON.parse(drawing.dataset.cells);
  const points = values.flatMap((row, down) => row.map((value, across) => {
    return { x: left + (across + 0.5) * size, y: top + (down + 0.5) * size, value, down, across };
  }));
  explore(holder, drawing, points, ({ value, down, across }) => {
    return [make("strong", {}, String(value)), make("span", {}, `${names[down]} · ${names[across]}`)];
  });
}

// A sheet is decoded before it is measured.
for (const holder of document.querySelectorAll(".map")) {
  const sheet = document.getElementById(holder.dataset.sheet);
  sheet.decode().then(() => makeMap(holder), () => {});
}
document.querySelectorAll(".matrix").forEach(makeMatrix);

// Tables: sorted by a click on a heading, and searched where they are long.
const MIN_SEARCHED = 6; // Rows of a table below which a look finds everything.
const MAX_CHOICES = 12; // Values of a column beyond which they are no list to choose from.

/** Returns the number that a cell begins with, or NaN. */
function numberOf(cell) {
  const text = (cell.dataset.value ?? cell.textContent).trim().replace(/^−/, "-").replace(/(?<=\d),(?=\d{3})/g, "");
  return /^[-+]?\d/.test(text) ? Number.parseFloat(text) : NaN;
}

/** Sorts first as is natural for numbers (largest first) and words (a to z), then the other way. */
function makeSortable(table) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  headings.forEach((heading, column) => {
    const button = make("button", { type: "button" }, ...heading.childNodes);
    heading.append(button);
    heading.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const keys = new Map([...body.rows].map((row) => [row, numberOf(row.cells[column])]));
      const filled = [...body.rows].filter((row) => row.cells[column].textContent.trim());
      // One word among numbers, such as "fixed", does not make words of them.
      const numeric = filled.filter((row) => !Number.isNaN(keys.get(row))).length > filled.length / 2;
      const before = heading.getAttribute("aria-sort");
      const descending = before === "none" ? numeric : before === "ascending";
      const compare = (left, right) => {
        if (numeric) {
          const [a, b] = [keys.get(left), keys.get(right)];
          // What has no number comes last, either way.
          if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
          return descending ? b - a : a - b;
        }
        const [a, b] = [left, right].map((row) => row.cells[column].textContent.trim());
        return descending ? b.localeCompare(a) : a.localeCompare(b);
      };
      body.append(...[...body.rows].sort(compare));
      headings.forEach((other) => other.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    });
  });
}

/** Puts a search box above a table, and a list for each column that is marked and has few values. */
function makeSearchable(table) {
  const rows = [...table.tBodies[0].rows];
  const wanted = new Map(); // By column: the value that rows must have.
  const search = make("input", { type: "search", placeholder: "all of these words" });
  const said = make("output", { className: "note", ariaLive: "polite" });
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const chosen = [...wanted].every(([column, value]) => row.cells[column].textContent === value);
      row.hidden = !(chosen && words.every((word) => text.includes(word)));
    }
    said.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} shown`;
  };
  search.addEventListener("input", filter);
  const choices = [...table.tHead.rows[0].cells].flatMap((heading, column) => {
    const values = [...new Set(rows.map((row) => row.cells[column].textContent))];
    if (!("choice" in heading.dataset) || values.length < 2 || values.length > MAX_CHOICES) return [];
    const order = values.map(Number).some(Number.isNaN) ? undefined : (a, b) => a - b;
    values.sort(order);
    return makeChoice(heading.textContent, ["all", ...values.map((value) => value || "none")], (index) => {
      if (index) wanted.set(column, values[index - 1]);
      else wanted.delete(column);
      filter();
    });
  });
  const box = make("label", {}, "Search ", search);
  table.parentElement.before(make("div", { className: "controls", role: "search" }, box, ...choices, said));
  filter();
}

for (const table of document.querySelectorAll("table.sortable")) {
  if (table.tBodies[0].rows.length >= MIN_SEARCHED) makeSearchable(table);
  makeSortable(table);
}

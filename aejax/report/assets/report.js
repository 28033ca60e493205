// Sorts a table by a column: first as is natural for numbers (largest first) and words (a to z), then the other way.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    const number = Number(cell.dataset.value ?? (cell.textContent.trim() || NaN));
    return Number.isNaN(number) ? cell.textContent.trim() : number;
  };
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const rows = [...table.tBodies[0].rows];
      const numeric = rows.some((row) => typeof key(row, column) === "number");
      const before = heading.getAttribute("aria-sort");
      const descending = before === "none" ? numeric : before === "ascending";
      const compare = (left, right) => {
        const [a, b] = [key(left, column), key(right, column)];
        if (numeric) {
          // What has no number comes last, either way.
          if (typeof a !== "number" || typeof b !== "number") return (typeof b === "number") - (typeof a === "number");
          return descending ? b - a : a - b;
        }
        return descending ? b.localeCompare(a) : a.localeCompare(b);
      };
      table.tBodies[0].append(...rows.sort(compare));
      headings.forEach((other) => other.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    });
  });
}

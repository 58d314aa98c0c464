
"use strict";
/* Sorts and filters the tables. Without it the page says the same, in the order of the queries. */
(() => {
  const key = (cell) => {
    const text = cell.textContent;
    return cell.classList.contains("number") ? Number(text.replaceAll(",", "")) : text;
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : a < b ? -1 : a > b ? 1 : 0);
  const blank = (cell) => cell.classList.contains("null");

  const sorting = (table, rows) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const sorted = [...rows].sort((a, b) => {
          const [one, two] = [a.cells[column], b.cells[column]];
          if (blank(one) || blank(two)) return blank(one) - blank(two);
          return (down ? -1 : 1) * compare(key(one), key(two));
        });
        table.tBodies[0].append(...sorted);
      });
    });
  };

  const filtering = (table, rows, number) => {
    const box = table.parentElement;
    const line = document.createElement("p");
    line.className = "filter";
    const label = document.createElement("label");
    const input = document.createElement("input");
    const told = document.createElement("span");
    input.type = "search";
    input.id = `filter-${number}`;
    label.htmlFor = input.id;
    label.textContent = "Show rows with";
    told.setAttribute("role", "status");
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase();
      let shown = 0;
      for (const row of rows) {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
        shown += !row.hidden;
      }
      told.textContent = wanted ? `${shown} of ${rows.length} printed rows` : "";
    });
    line.append(label, input, told);
    box.before(line);
  };

  document.querySelectorAll("table.data").forEach((table, number) => {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 2) return;
    sorting(table, rows);
    filtering(table, rows, number);
  });
})();

"use strict";
const table = document.getElementById("table");
const body = table.tBodies[0];
const filter = document.getElementById("filter");
const only = document.getElementById("only");
const title = document.title;

for (const head of table.tHead.querySelectorAll("th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => sort(head));
}

function sort(head) {
  const down = head.ariaSort === "ascending" || (head.dataset.sort === "number" && !head.ariaSort);
  for (const other of table.tHead.querySelectorAll("th")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const value = (row) => row.cells[head.cellIndex].dataset.value;
  const order = head.dataset.sort === "number"
    ? (a, b) => value(a) - value(b)
    : (a, b) => value(a).localeCompare(value(b), undefined, { numeric: true });
  const rows = [...body.rows].sort(order);
  body.append(...(down ? rows.reverse() : rows));
}

function choose() {
  const text = filter.value.trim().toLowerCase();
  let shown = 0;
  for (const row of body.rows) {
    const fits = row.cells[0].textContent.toLowerCase().includes(text);
    row.hidden = !fits || (only.value !== "" && !row.dataset.kinds.split(" ").includes(only.value));
    shown += !row.hidden;
  }
  document.getElementById("count").textContent = `${shown} of ${body.rows.length}`;
}

function turn() {
  const page = document.querySelector(".student:target");
  document.title = page ? `${page.querySelector("h1").textContent}, ${title}` : title;
  if (page) scrollTo(0, 0);
}

filter.addEventListener("input", choose);
only.addEventListener("change", choose);
addEventListener("hashchange", turn);
document.querySelector(".tools").hidden = false;
choose();
turn();

"use strict";
const table = document.getElementById("table");
const body = table.tBodies[0];
const filter = document.getElementById("filter");
const only = document.getElementById("only");
const section = document.getElementById("section");
const title = document.title;

for (const head of table.tHead.querySelectorAll("th[data-sort]")) {
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
    ? (a, b) => (value(a) === "" ? -1 : value(a)) - (value(b) === "" ? -1 : value(b))
    : (a, b) => value(a).localeCompare(value(b), undefined, { numeric: true });
  const rows = [...body.rows].sort(order);
  body.append(...(down ? rows.reverse() : rows));
}

function choose() {
  const text = filter.value.trim().toLowerCase();
  let shown = 0;
  for (const row of body.rows) {
    const { id, email, kinds, sections } = row.dataset;
    const told = `${row.cells[0].dataset.value}\n${id}\n${email}`.toLowerCase();
    row.hidden = !told.includes(text)
      || (only.value !== "" && !kinds.split(" ").includes(only.value))
      || (section && section.value !== "" && !sections.split(", ").includes(section.value));
    shown += !row.hidden;
  }
  document.getElementById("count").textContent = `${shown} of ${body.rows.length}`;
}

// A text that a spreadsheet could take for a formula is marked as text, as in the other CSV files.
function quoted(text) {
  return `"${/^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(text) ? "'" : ""}${text.replaceAll('"', '""')}"`;
}

function number(text) {
  return table.dataset.decimal === "comma" ? text.replace(".", ",") : text;
}

function save() {
  const heads = [...table.tHead.rows[0].cells];
  const lines = [["Id", "E-mail", ...heads.map((head) => head.textContent)].map(quoted)];
  for (const row of body.rows) {
    if (row.hidden) continue;
    const cells = heads.map((head, place) => {
      const { value } = row.cells[place].dataset;
      return head.dataset.sort === "number" && value !== "" ? number(value) : quoted(value);
    });
    lines.push([quoted(row.dataset.id), quoted(row.dataset.email), ...cells]);
  }
  const between = table.dataset.decimal === "comma" ? ";" : ",";
  const text = `\ufeff${lines.map((cells) => cells.join(between)).join("\r\n")}\r\n`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "students.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function turn() {
  const page = document.querySelector(".student:target");
  document.title = page ? `${page.querySelector("h1").textContent}, ${title}` : title;
  if (page) scrollTo(0, 0);
}

filter.addEventListener("input", choose);
only.addEventListener("change", choose);
section?.addEventListener("change", choose);
document.getElementById("csv").addEventListener("click", save);
addEventListener("hashchange", turn);
document.querySelector(".tools").hidden = false;
choose();
turn();

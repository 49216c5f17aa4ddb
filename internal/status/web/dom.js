// Everything that is shown goes through here: text is set as text, never parsed as
// markup, whoever chose it.

// byId returns the element with an id.
export const byId = (id) => document.getElementById(id);

// el makes an element with properties and children; a child that is no node is text.
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((c) => c !== null && c !== undefined && c !== ""));
  return node;
}

// setText changes a text if it differs: what stays is not read out again.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// once calls make only if the data differ from what the key had before.
const before = new Map();
export function once(key, data, make) {
  const now = JSON.stringify(data);
  if (before.get(key) === now) return;
  before.set(key, now);
  make();
}

// heads fills a table's head.
export function heads(row, names) {
  row.replaceChildren(...names.map((name) => el("th", { scope: "col", role: "columnheader" }, name)));
}

// line makes a table's row. Cells are texts or nodes; on narrow screens each has its
// column's name before it.
export function line(names, cells, properties = {}) {
  return el("tr", { role: "row", ...properties }, ...cells.map((cell, i) =>
    el("td", { role: "cell", "data-label": names[i] }, el("span", {}, cell))));
}

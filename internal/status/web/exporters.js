// The table of exporters: found, sorted and shown a page at a time, so that thousands
// of them cost as much as fifty, or as ten on a narrow screen.
import { byId, el, setText } from "./dom.js";
import { ago, count, name, rate, span } from "./words.js";

const narrow = matchMedia("(max-width: 980px)"); // as in style.css
const rowsOnPage = () => (narrow.matches ? 10 : 50);
const skewed = (e) => e.clock_offset !== null && Math.abs(e.clock_offset) > 60;

// columns have a title, the value that they are sorted by, and what they show. Texts are
// sorted as such; numbers begin with the largest.
const columns = [
  { title: "Exporter", key: (e) => e.name || e.address, text: true, show: exporter },
  { title: "Format", key: (e) => e.formats.join() || e.refused_as, text: true, show: format },
  { title: "Heard", key: (e) => Date.parse(e.last_heard), show: (e, now) => ago(e.last_heard, now) },
  { title: "Flows/s", key: (e) => e.flows_per_second, show: (e) => rate(e.flows_per_second) },
  { title: "Missed", key: (e) => e.flows_missed + e.packets_missed, show: missed },
  { title: "Anomalies", key: (e) => e.anomalous, show: anomalies },
  { title: "Sampling", key: (e) => e.sampling, show: sampling },
  { title: "Templates", key: (e) => e.templates, show: templates },
  { title: "Clock", key: (e) => Math.abs(e.clock_offset ?? 0), show: clock },
];
const view = { all: [], now: "", column: 3, down: true, page: 0, find: "", state: "" };

const two = (first, second) => (second ? [first, el("small", {}, second)] : [first]);

function exporter(e) {
  const tag = e.state === "heard" ? null : el("em", { class: "tag", "data-state": e.state }, e.state);
  return e.name ? [el("b", {}, e.name), tag, el("small", {}, e.address)] : [el("b", {}, e.address), tag];
}
function format(e) {
  const refused = e.refused > 0 ? `${name(e.refused_as)} refused: ${count(e.refused)}` : "";
  const sent = e.formats.map(name).join(", ");
  return sent ? two(sent, refused) : [refused];
}
function missed(e) {
  const parts = [];
  if (e.flows_missed > 0) parts.push(`${count(e.flows_missed)} flows`);
  if (e.packets_missed > 0) parts.push(`${count(e.packets_missed)} packets`);
  if (parts.length === 0) return ["0"];
  return [el("b", { class: e.state === "losing" ? "bad" : null }, parts.join(", "))];
}
function anomalies(e) {
  return two(count(e.anomalous), e.anomalies.map(name).join(", "));
}
function sampling(e) {
  return e.sampling > 0 ? two(`1 in ${count(e.sampling)}`, `by ${name(e.sampling_source)}`) : ["–"];
}
function templates(e) {
  return e.templates > 0 ? two(count(e.templates), `sent ${span(e.templates_age)} ago`) : ["–"];
}
function clock(e) {
  if (e.clock_offset === null) return ["–"];
  if (Math.abs(e.clock_offset) < 1.5) return ["right"];
  const text = `${span(e.clock_offset)} ${e.clock_offset > 0 ? "behind" : "ahead"}`;
  return [el("span", { class: skewed(e) ? "bad" : null }, text)];
}

const haystack = (e) => [e.address, e.name, e.state, e.refused_as, ...e.formats, ...e.formats.map(name), ...e.anomalies].join(" ").toLowerCase();

function wanted(e) {
  switch (view.state) {
    case "anomalous": if (e.anomalous === 0) return false; break;
    case "skewed": if (!skewed(e)) return false; break;
    case "refused": if (e.refused === 0) return false; break;
    case "": break;
    default: if (e.state !== view.state) return false;
  }
  return view.find === "" || haystack(e).includes(view.find);
}

const inOrder = new Intl.Collator("en", { numeric: true });

function sorted(list) {
  const { key, text } = columns[view.column];
  const sign = view.down ? -1 : 1;
  const keyed = list.map((e) => [key(e), e]);
  keyed.sort(([a, x], [b, y]) => sign * (text ? inOrder.compare(a, b) : a - b) || inOrder.compare(x.address, y.address));
  return keyed.map(([, e]) => e);
}

// cell shows a column of an exporter; where it says nothing a narrow screen leaves it out.
function cell(c, i, e) {
  const content = el("span", {}, ...[c.show(e, view.now)].flat());
  const empty = ["0", "–"].includes(content.textContent) ? "yes" : null;
  return i === 0 ? el("th", { role: "rowheader", scope: "row" }, content)
    : el("td", { role: "cell", "data-label": c.title, "data-empty": empty, class: c.text ? null : "number" }, content);
}

function render() {
  const found = sorted(view.all.filter(wanted));
  const size = rowsOnPage();
  const pages = Math.max(1, Math.ceil(found.length / size));
  view.page = Math.min(view.page, pages - 1);
  const from = view.page * size;
  const shown = found.slice(from, from + size);
  byId("exporter-rows").replaceChildren(...shown.map((e) => el("tr", { role: "row", "data-state": e.state }, ...columns.map((c, i) => cell(c, i, e)))));
  if (shown.length === 0) {
    const text = view.all.length === 0 ? "No exporter has been heard yet. Let one send to this collector's UDP port." : "None is like that.";
    byId("exporter-rows").replaceChildren(el("tr", { role: "row" }, el("td", { role: "cell", colspan: columns.length, class: "none" }, text)));
  }
  setText(byId("page"), found.length === 0 ? "" : `${count(from + 1)}–${count(from + shown.length)} of ${count(found.length)}`);
  byId("previous").disabled = view.page === 0;
  byId("next").disabled = view.page >= pages - 1;
  const small = pages === 1;
  byId("previous").hidden = byId("next").hidden = small;
  columns.forEach((c, i) => {
    if (i === view.column) c.head.setAttribute("aria-sort", view.down ? "descending" : "ascending");
    else c.head.removeAttribute("aria-sort");
  });
  byId("sort").value = String(view.column);
}

function sortBy(i) {
  view.down = i === view.column ? !view.down : !columns[i].text;
  view.column = i;
  view.page = 0;
  render();
}

export function startExporters() {
  byId("exporter-head").replaceChildren(...columns.map((c, i) => {
    const button = el("button", { type: "button" }, c.title);
    button.addEventListener("click", () => sortBy(i));
    c.head = el("th", { scope: "col", role: "columnheader", class: c.text ? null : "number" }, button);
    return c.head;
  }));
  byId("sort").replaceChildren(...columns.map((c, i) => el("option", { value: i }, c.title)));
  byId("sort").addEventListener("change", (event) => {
    view.column = -1;
    sortBy(Number(event.target.value));
  });
  byId("exporter-tools").addEventListener("submit", (event) => event.preventDefault());
  byId("find").addEventListener("input", (event) => {
    Object.assign(view, { find: event.target.value.trim().toLowerCase(), page: 0 });
    render();
  });
  byId("state").addEventListener("change", (event) => {
    Object.assign(view, { state: event.target.value, page: 0 });
    render();
  });
  narrow.addEventListener("change", render);
  byId("previous").addEventListener("click", () => { view.page--; render(); });
  byId("next").addEventListener("click", () => { view.page++; render(); });
}

export function countExporters(e) {
  const parts = [`${count(e.heard)} heard`];
  if (e.silent > 0) parts.push(`${count(e.silent)} silent`);
  if (e.losing > 0) parts.push(`${count(e.losing)} losing`);
  if (e.refused > 0) parts.push(`${count(e.refused)} refused`);
  setText(byId("exporters-count"), parts.join(", "));
  const o = e.others;
  setText(byId("others"), o.exporters + o.flows > 0
    ? `Not listed any more, to give room to others: ${count(o.exporters)} exporters; ${count(o.flows)} flows were of them or of streams that gave way.` : "");
}

export function showExporters(e, now) {
  view.all = e.list;
  view.now = now;
  render();
}

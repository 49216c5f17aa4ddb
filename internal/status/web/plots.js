// Four small plots of the last 15 minutes, by uPlot. Their scales begin at 0 and end at
// least at least, so that nothing looks like much.
import { byId, el } from "./dom.js";
import { bytes, count, rate, span } from "./words.js";

const kinds = [
  { title: "Flows a second", unit: rate, least: 10, lines: [["decoded", "flows_decoded", "--line-a"], ["delivered", "flows_delivered", "--line-b"]] },
  { title: "Lost a second", unit: rate, least: 10, lines: [["dropped", "flows_dropped", "--line-c"], ["missed", "missed", "--line-d"], ["kernel", "kernel_dropped", "--line-e"]] },
  { title: "Buffer", unit: bytes, least: 1 << 20, lines: [["memory", "buffer_bytes", "--line-a"]], fill: true },
  { title: "Latency of Kafka", unit: span, least: 0.01, lines: [["mean", "latency", "--line-b"]], fill: true },
];
const height = 130;
const plots = [];

const colour = (variable) => getComputedStyle(document.documentElement).getPropertyValue(variable).trim();

// times are the moments of the points, in seconds.
function times(h) {
  const end = Date.parse(h.end) / 1000;
  return h.received.map((_, i) => end - (h.received.length - 1 - i) * h.every);
}

function options(kind, width) {
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--edge"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  return {
    width, height,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { y: { range: (_, __, max) => [0, Math.max((max ?? 0) * 1.08, kind.least)] } },
    axes: [
      { ...axis, size: 26, space: 70, values: (_, all) => all.map((t) => new Date(t * 1000).toLocaleTimeString("en", { hour12: false, hour: "2-digit", minute: "2-digit" })) },
      { ...axis, size: 58, space: 34, values: (_, all) => all.map((v) => kind.unit(v)) },
    ],
    series: [{}, ...kind.lines.map(([label, , line]) => ({
      label, stroke: colour(line), width: 1.75, points: { show: false }, fill: kind.fill ? colour("--fill") : undefined,
    }))],
    hooks: { setCursor: [(u) => legend(kind, u.cursor.idx)] },
  };
}

// legend writes the values at a point, or the newest.
function legend(kind, at) {
  if (!kind.data) return;
  const last = kind.data[0].length - 1;
  const i = at ?? last;
  kind.values.forEach((node, n) => {
    const v = kind.data[n + 1][i];
    node.textContent = v === undefined ? "–" : kind.unit(v);
  });
}

function make(kind) {
  kind.values = kind.lines.map(() => el("b", {}, "–"));
  kind.box = el("div", { class: "plot-box", role: "img" });
  const keys = kind.lines.map(([label, , line], i) => el("span", { class: `key ${line.slice(2)}` }, label, " ", kind.values[i]));
  byId("plot-list").append(el("figure", { class: "plot" }, el("figcaption", {}, el("span", {}, kind.title), el("span", { class: "keys" }, ...keys)), kind.box));
}

// describe says a plot in words, for those who do not see it.
function describe(kind) {
  const parts = kind.lines.map(([label], i) => {
    const values = kind.data[i + 1];
    const last = values.at(-1) ?? 0;
    return `${label}: now ${kind.unit(last)}, at most ${kind.unit(values.reduce((a, b) => Math.max(a, b), 0))}`;
  });
  kind.box.setAttribute("aria-label", `${kind.title}, over ${count(kind.data[0].length * 5 / 60)} minutes. ${parts.join("; ")}.`);
}

function draw(kind, anew) {
  const width = Math.floor(kind.box.clientWidth);
  if (width === 0) return;
  if (kind.plot && anew) {
    kind.plot.destroy();
    kind.plot = null;
  }
  if (kind.plot) {
    kind.plot.setData(kind.data);
  } else {
    kind.plot = new uPlot(options(kind, width), kind.data, kind.box);
  }
}

export function showPlots(h) {
  if (plots.length === 0) {
    plots.push(...kinds);
    plots.forEach(make);
    new ResizeObserver(redraw).observe(byId("plot-list"));
  }
  const x = times(h);
  for (const kind of plots) {
    const stale = !kind.data || kind.data[0].at(-1) !== x.at(-1);
    kind.data = [x, ...kind.lines.map(([, series]) => h[series])];
    if (!stale) continue;
    draw(kind, false);
    describe(kind);
    legend(kind, kind.plot?.cursor.idx);
  }
}

// redraw draws all anew: the width or the colours have changed.
let width = 0;
export function redraw(force) {
  const now = byId("plot-list").clientWidth;
  if (force !== true && now === width) return;
  width = now;
  plots.filter((kind) => kind.data).forEach((kind) => draw(kind, true));
}

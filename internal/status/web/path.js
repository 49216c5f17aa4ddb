// The path: one stop after the other, what goes on and, below, what does not.
import { byId, el, once } from "./dom.js";
import { bytes, count, name, rate, span, total } from "./words.js";

// leak is something that leaves the path. Bad ones are losses.
const leak = (what, counted, bad) => ({ what, counted, bad });

// leaksOf makes one of each label that ever counted.
const leaksOf = (counts, bad) => Object.entries(counts)
  .filter(([, c]) => c.total > 0)
  .map(([label, c]) => leak(name(label), c, bad));

function stops(r) {
  const p = r.path;
  const k = r.kafka;
  const decoded = Object.entries(p.decoded).filter(([, c]) => c.total > 0).sort(([, a], [, b]) => b.per_second - a.per_second);
  const partitions = k.topics.reduce((n, t) => n + t.partitions, 0);
  return [
    {
      title: "Exporters", big: count(r.exporters.heard), unit: r.exporters.heard === 1 ? "is heard" : "are heard", moves: p.received.per_second > 0,
      facts: [["silent", count(r.exporters.silent)], ["losing", count(r.exporters.losing)], ["refused", count(r.exporters.refused)]],
      below: "Missed on the way here",
      leaks: [leak("flows", p.flows_missed, true), leak("export packets", p.packets_missed, true), leak("sFlow samples", p.samples_missed, true)].filter((l) => l.counted.total > 0),
    },
    {
      title: "Received", big: rate(p.received.per_second), unit: "datagrams/s", moves: p.received.per_second > 0,
      facts: [["in all", count(p.received.total)], ["receive buffer", bytes(r.receive_buffer.granted)]],
      below: "Dropped by the kernel",
      leaks: p.kernel_dropped.total > 0 ? [leak("datagrams", p.kernel_dropped, true)] : [],
    },
    {
      title: "Decoded", big: rate(p.flows_decoded.per_second), unit: "flows/s", moves: p.flows_decoded.per_second > 0,
      facts: [...decoded.map(([f, c]) => [name(f), `${rate(c.per_second)} packets/s`]),
        ...(p.sets_received.total > 0 ? [["waiting for templates", `${count(p.sets_waiting)} sets`]] : [])],
      below: "Rejected, or dropped",
      leaks: [...leaksOf(p.rejected, false), ...leaksOf(p.sets_dropped, true).map((l) => ({ ...l, what: `sets: ${l.what}` }))],
    },
    {
      title: "Buffered", big: count(p.flows_buffered), unit: "flows", moves: p.flows_delivered.per_second > 0,
      meter: [k.buffer_bytes, k.buffer_limit],
      facts: [["memory", `${bytes(k.buffer_bytes)} of ${bytes(k.buffer_limit)}`], ["oldest waits", span(k.oldest_waiting)],
        ...(k.buffer_full_in !== null ? [["full in about", span(k.buffer_full_in)]] : [])],
      below: "Dropped",
      leaks: leaksOf(p.flows_dropped, true),
    },
    {
      title: "Delivered to Kafka", big: rate(p.flows_delivered.per_second), unit: "flows/s", moves: p.flows_delivered.per_second > 0, last: true,
      facts: [["in all", count(p.flows_delivered.total)], ["latency", k.latency > 0 ? span(k.latency) : "–"],
        ["partitions", k.partitions_failing > 0 ? `${count(partitions)}, ${count(k.partitions_failing)} failing` : count(partitions)]],
      below: "Perhaps twice in Kafka",
      leaks: p.flows_possibly_duplicated.total > 0 ? [leak("flows", p.flows_possibly_duplicated, false)] : [],
    },
  ];
}

function meter([used, limit]) {
  const part = limit > 0 ? used / limit : 0;
  const bar = el("div", { class: "meter", "data-level": part > 0.85 ? "loss" : part > 0.5 ? "risk" : "ok", "aria-hidden": "true" }, el("span"));
  bar.firstChild.style.width = `${Math.min(100, 100 * part)}%`;
  return bar;
}

function stop(s) {
  const lost = s.leaks.some((l) => l.bad && l.counted.per_second > 0);
  return el("li", { class: "stop", "data-moves": s.moves ? "yes" : "no", "data-last": s.last ? "yes" : null },
    el("div", { class: "pipe", "aria-hidden": "true" }),
    el("div", { class: "card" },
      el("h3", {}, s.title),
      el("p", { class: "big" }, el("b", {}, s.big), " ", el("span", {}, s.unit)),
      s.meter ? meter(s.meter) : null,
      el("dl", {}, ...s.facts.map(([what, value]) => el("div", {}, el("dt", {}, what), el("dd", {}, value))))),
    el("div", { class: "leaks", "data-lost": lost ? "yes" : "no" },
      el("h4", {}, s.below),
      s.leaks.length === 0 ? el("p", { class: "none" }, "none") : el("ul", {}, ...s.leaks.map((l) =>
        el("li", { "data-bad": l.bad ? "yes" : null }, el("span", {}, l.what), el("span", {}, count(l.counted.total),
          l.counted.per_second > 0 ? ` (${rate(l.counted.per_second)}/s)` : ""))))));
}

export function showPath(r) {
  const all = stops(r);
  once("path", all, () => byId("stops").replaceChildren(...all.map(stop)));
}

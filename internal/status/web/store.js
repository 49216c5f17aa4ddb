// The topic for templates: what fails, and figures.
import { byId, el, once } from "./dom.js";
import { ago, clock, count, name, span } from "./words.js";

const states = { off: "none", reading: "being read", in_use: "in use", failing: "failing" };

function facts(s, now) {
  const templates = ["Templates", count(s.templates), `${count(s.provisional)} provisional`];
  if (s.state === "off") return [["State", states.off, "templates end with the process: set FLOWPUB_KAFKA_TEMPLATE_TOPIC"], templates];
  const skipped = Object.entries(s.skipped).filter(([, n]) => n > 0);
  const written = [s.last_written ? `the last one ${ago(s.last_written, now)}` : "none yet", s.pending > 0 ? `${count(s.pending)} changes wait` : "",
    s.records_refused > 0 ? `${count(s.records_refused)} refused` : ""];
  return [
    ["State", states[s.state] ?? s.state, s.topic],
    templates,
    ["Records read", count(s.records_read), s.load > 0 ? `read at the start in ${span(s.load)}` : "not all that there was at the start"],
    ["Records written", count(s.records_written), written.filter((w) => w !== "").join(", ")],
    ["Records skipped", count(skipped.reduce((sum, [, n]) => sum + n, 0)), skipped.map(([reason, n]) => `${name(reason)}: ${count(n)}`).join(", ") || "none"],
    ["Room for", count(s.room), s.templates < s.room ? "templates in all" : "templates in all: no more are taken from the topic"],
  ];
}

export function showStore(s, now) {
  byId("store").hidden = s.state === "off" && s.templates === 0;
  const all = facts(s, now);
  once("store-facts", all, () => byId("store-facts").replaceChildren(...all.map(([what, value, more]) =>
    el("div", {}, el("dt", {}, what), el("dd", {}, el("b", {}, value), el("small", {}, more))))));
  const told = [s.failing_since, s.problem, s.cure];
  once("store-error", told, () => byId("store-error").replaceChildren(...(s.failing_since ? [el("p", { class: "last-error", "data-fresh": "yes" },
    el("b", {}, "Failing since ", el("time", { datetime: s.failing_since }, clock(s.failing_since)), ": "), s.problem, s.cure ? el("span", { class: "cure" }, s.cure) : null)] : [])));
}

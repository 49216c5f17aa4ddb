// Kafka: the last error and its cure, figures, brokers, topics.
import { byId, el, heads, line, once } from "./dom.js";
import { ago, bytes, count, rate, span } from "./words.js";

const brokerColumns = ["Broker", "Address", "Leads", "Requests", "Latency", "Last error"];
const topicColumns = ["Topic", "Partitions", "Leaders", "Waiting", "Problem"];

function facts(k) {
  const full = k.buffer_full_in === null ? "does not fill" : `full in about ${span(k.buffer_full_in)}`;
  return [
    ["Latency", k.latency > 0 ? span(k.latency) : "–", k.latency > 0 ? `99 % below ${span(k.latency_p99)}` : "no request lately"],
    ["Batches", `${rate(k.batches.per_second)}/s`, `${count(k.batch_flows)} flows, ${bytes(k.batch_bytes)} each`],
    ["On the wire", `${bytes(k.bytes_wire.per_second)}/s`, k.compression === "none" ? "not compressed" : `${k.compression}, ${k.compression_ratio > 0 ? `${k.compression_ratio}:1` : "–"}`],
    ["Oldest waiting flow", span(k.oldest_waiting), `${count(k.topics.reduce((n, t) => n + t.waiting, 0))} flows wait or are on their way`],
    ["Buffer", `${bytes(k.buffer_bytes)}`, `of ${bytes(k.buffer_limit)}; ${full}`],
    ["Repetitions", k.idempotent ? "recognised" : "not recognised", k.throttle_seconds > 0 ? `brokers asked for ${span(k.throttle_seconds)} of pauses` : "no pauses asked for"],
  ];
}

// leaders tells how many partitions each broker leads.
function leaders(t) {
  const by = new Map();
  for (const id of t.leaders) by.set(id, (by.get(id) ?? 0) + 1);
  return [...by].sort(([a], [b]) => a - b).map(([id, n]) => (id < 0 ? `nobody: ${count(n)}` : `${id}: ${count(n)}`)).join(", ") || "not known yet";
}

function problem(t) {
  if (t.failing.length === 0) return t.problem || "none";
  const some = t.failing.slice(0, 8).join(", ") + (t.failing.length > 8 ? " …" : "");
  return `${count(t.failing.length)} failing: ${some}${t.problem ? `; ${t.problem}` : ""}`;
}

export function startKafka() {
  heads(byId("broker-head"), brokerColumns);
  heads(byId("topic-head"), topicColumns);
}

export function showKafka(k, now) {
  const all = facts(k);
  once("facts", all, () => byId("kafka-facts").replaceChildren(...all.map(([what, value, more]) =>
    el("div", {}, el("dt", {}, what), el("dd", {}, el("b", {}, value), el("small", {}, more))))));
  const e = k.last_error;
  const fresh = e && Date.parse(now) - Date.parse(e.at) < 60000;
  const told = e && [ago(e.at, now), fresh, e];
  once("error", told, () => byId("kafka-error").replaceChildren(...(e ? [el("p", { class: "last-error", "data-fresh": fresh ? "yes" : "no" },
    el("b", {}, `Last error, ${told[0]}: `), e.broker && !e.text.includes(e.broker) ? `broker ${e.broker}: ${e.text}` : e.text, e.cure ? el("span", { class: "cure" }, e.cure) : null)] : [])));
  const brokers = k.brokers.map((b) => [String(b.id), b.address || "–", `${count(b.partitions)} partitions`, count(b.requests),
    b.latency > 0 ? span(b.latency) : "–", b.last_error ? `${b.last_error.text}, ${ago(b.last_error.at, now)}` : "none"]);
  once("brokers", brokers, () => byId("broker-rows").replaceChildren(...(brokers.length > 0 ? brokers.map((cells) => line(brokerColumns, cells))
    : [el("tr", { role: "row" }, el("td", { role: "cell", colspan: brokerColumns.length, class: "none" }, "No broker has answered yet."))])));
  const topics = k.topics.map((t) => [t.name, count(t.partitions), leaders(t), `${count(t.waiting)} flows`, problem(t)]);
  once("topics", topics, () => byId("topic-rows").replaceChildren(...topics.map((cells) => line(topicColumns, cells))));
}

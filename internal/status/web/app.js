// Asks the collector every 2 seconds, while somebody looks, and shows what it says.
import { byId, el, heads, line, once, setText } from "./dom.js";
import { countExporters, showExporters, startExporters } from "./exporters.js";
import { showKafka, startKafka } from "./kafka.js";
import { showPath } from "./path.js";
import { redraw, showPlots } from "./plots.js";
import { showStore } from "./store.js";
import { clock, count, span } from "./words.js";

const every = 2000;
const patience = 10000;
// How often exporters are listed anew: they are surveyed every 5 s; thousands less often.
const listEvery = (n) => (n > 1000 ? 15000 : 5000);
const marks = { ok: "✓", idle: "…", risk: "!", loss: "✕", unknown: "?" };
const settingColumns = ["Variable", "Value", "From"];

let answered = 0;
let listed = 0;
let exporters = 0;
let last = null;
let allSettings = false;

function showVerdict(r) {
  const v = r.verdict;
  byId("verdict").dataset.level = v.level;
  setText(byId("mark"), marks[v.level] ?? "?");
  setText(byId("verdict-text"), v.text);
  const running = span((Date.parse(r.now) - Date.parse(r.started)) / 1000);
  const past = v.last_loss ? `The last loss was ${span((Date.parse(r.now) - Date.parse(v.last_loss)) / 1000)} ago.` : `Nothing has been lost since the start, ${running} ago.`;
  const full = r.kafka.buffer_full_in === null ? "" : `The buffer is full in about ${span(r.kafka.buffer_full_in)} at this rate. `;
  const next = v.level === "idle" ? "Let an exporter send to this collector's UDP port." : full + past;
  setText(byId("verdict-more"), v.level === "loss" ? "" : next);
  document.title = `${v.level === "ok" ? "" : `${marks[v.level]} `}flowpub: ${v.text}`;
  once("problems", v.problems, () => byId("problems").replaceChildren(...v.problems.map((p) => el("li", { "data-level": p.level },
    el("p", { class: "what" }, el("b", {}, p.what), p.count > 0 ? el("span", { class: "amount" }, count(p.count)) : null,
      p.since ? el("span", { class: "since" }, "since ", el("time", { datetime: p.since }, clock(p.since))) : null),
    p.why ? el("p", {}, p.why) : null,
    p.cure ? el("p", { class: "cure" }, p.cure) : null))));
}

function showSettings(settings) {
  const shown = settings.filter((s) => allSettings || s.set);
  once("settings", [allSettings, shown], () => byId("setting-rows").replaceChildren(...shown.map((s) =>
    line(settingColumns, [el("code", {}, s.name), s.value === "" ? "(empty)" : s.value, s.set ? "environment" : "default"], { "data-set": s.set ? "yes" : "no" }))));
}

function show(r) {
  showVerdict(r);
  setText(byId("version"), r.version);
  setText(byId("uptime"), `up ${span((Date.parse(r.now) - Date.parse(r.started)) / 1000)}`);
  showPath(r);
  showPlots(r.history);
  countExporters(r.exporters);
  showKafka(r.kafka, r.now);
  showStore(r.template_store, r.now);
  showSettings(r.settings);
  byId("profiles").hidden = !r.settings.some((s) => s.name === "FLOWPUB_HTTP_PPROF" && s.value === "true");
}

// unknown says that there is no answer: what is on the page may be wrong by now.
function unknown(error) {
  const since = answered > 0 ? ` for ${span((Date.now() - answered) / 1000)}` : "";
  setText(byId("live"), "no answer");
  byId("live").dataset.live = "no";
  if (answered > 0 && Date.now() - answered < 3 * every) return;
  byId("verdict").dataset.level = "unknown";
  setText(byId("mark"), marks.unknown);
  setText(byId("verdict-text"), "The collector does not answer");
  setText(byId("verdict-more"), `It has not${since}: ${error.message}. See whether it runs; what is below may be old.`);
  document.title = "? flowpub: no answer";
}

async function ask() {
  const due = Date.now() - listed >= listEvery(exporters);
  const response = await fetch(due ? "/status" : "/status?exporters=none", { cache: "no-store", signal: AbortSignal.timeout(patience) });
  if (!response.ok) throw new Error(`it answers ${response.status}`);
  const r = await response.json();
  last = r;
  answered = Date.now();
  show(r);
  if (due) {
    listed = Date.now();
    exporters = r.exporters.total;
    showExporters(r.exporters, r.now);
  }
  setText(byId("live"), "live");
  byId("live").dataset.live = "yes";
}

let timer = 0;
async function round() {
  clearTimeout(timer);
  try {
    await ask();
  } catch (error) {
    unknown(error);
  }
  if (!document.hidden) timer = setTimeout(round, every);
}

const themes = { system: ["◐", "as the system has them"], light: ["☀", "light"], dark: ["☾", "dark"] };

// stored remembers the theme, where the browser lets it.
const stored = {
  get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
  set: (theme) => { try { localStorage.setItem("theme", theme); } catch { /* then it is not remembered */ } },
};

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  setText(byId("theme"), themes[theme][0]);
  byId("theme").setAttribute("aria-label", `Colours: ${themes[theme][1]}`);
  redraw(true);
}

function startTheme() {
  const order = Object.keys(themes);
  let theme = order.includes(stored.get()) ? stored.get() : "system";
  setTheme(theme);
  byId("theme").addEventListener("click", () => {
    theme = order[(order.indexOf(theme) + 1) % order.length];
    stored.set(theme);
    setTheme(theme);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw(true));
}

startTheme();
startExporters();
startKafka();
heads(byId("setting-head"), settingColumns);
byId("all-settings").addEventListener("click", (event) => {
  allSettings = !allSettings;
  event.target.setAttribute("aria-expanded", String(allSettings));
  event.target.textContent = allSettings ? "Show only what is set" : "Show defaults, too";
  if (last) showSettings(last.settings);
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) round(); });
round();

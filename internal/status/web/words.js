// Numbers, sizes, times and names as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

// count writes a number of things.
export const count = (n) => (n < 1e6 ? whole.format(n) : short.format(n));

// rate writes how many a second.
export const rate = (n) => (n < 10 ? tenth.format(n) : count(n));

// bytes writes a size.
export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (Math.abs(n) >= 1024 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return `${n < 10 && i > 0 ? tenth.format(n) : whole.format(n)} ${units[i]}`;
}

// span writes a number of seconds.
export function span(seconds) {
  const s = Math.abs(seconds);
  if (s === 0) return "0 s";
  if (s < 1) return `${(s < 0.01 ? tenth : whole).format(s * 1000)} ms`;
  if (s < 10) return `${tenth.format(s)} s`;
  if (s < 120) return `${whole.format(s)} s`;
  if (s < 7200) return `${whole.format(s / 60)} min`;
  if (s < 172800) return `${whole.format(s / 3600)} h`;
  return `${whole.format(s / 86400)} days`;
}

// ago writes how long before now a time was.
export function ago(time, now) {
  const seconds = (Date.parse(now) - Date.parse(time)) / 1000;
  return seconds < 6 ? "now" : `${span(seconds)} ago`;
}

// clock writes a time of the day, here.
export const clock = (time) => new Date(time).toLocaleTimeString("en", { hour12: false });

const formats = { netflow_v5: "NetFlow v5", netflow_v9: "NetFlow v9", ipfix: "IPFIX", sflow: "sFlow" };
const names = {
  ...formats, netflow_v1: "NetFlow v1", netflow_v7: "NetFlow v7", netflow_v8: "NetFlow v8", sflow_old: "old sFlow",
  sflow_sample: "sample", file: "file", version: "not a known format", short: "cut in the header", no_records: "nothing readable",
};

// name writes a label for people.
export const name = (label) => names[label] ?? label.replaceAll("_", " ");

// total adds up the counts of all labels.
export function total(counts) {
  const sum = { total: 0, per_second: 0 };
  for (const c of Object.values(counts)) {
    sum.total += c.total;
    sum.per_second += c.per_second;
  }
  return sum;
}

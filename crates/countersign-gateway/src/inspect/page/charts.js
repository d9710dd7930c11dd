// Charts of the last five minutes, drawn from the requests that the page has.

import { $, age, element, took } from "./elements.js";

const SPAN = 300_000;
const STEP = 5_000;
const SVG = "http://www.w3.org/2000/svg";

function line(values, most, kind) {
  const made = document.createElementNS(SVG, "polyline");
  const last = Math.max(1, values.length - 1);
  const points = values.map((value, at) => `${(at * 300) / last},${58 - (value * 56) / most}`);
  made.setAttribute("points", points.join(" "));
  made.setAttribute("class", `line ${kind}`);
  return made;
}

function chart(title, label, lines) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 300 60");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${title}: ${label}`);
  const most = Math.max(1, ...lines.flatMap(([values]) => values));
  svg.append(...lines.map(([values, kind]) => line(values, most, kind)));
  return element("figure", {}, element("figcaption", {}, title), svg, element("p", {}, label));
}

function list(title, entries) {
  const items = entries.map(([name, value]) => element("li", {}, element("span", {}, name), element("span", {}, value)));
  const content = items.length ? element("ul", {}, ...items) : element("p", {}, "none");
  return element("figure", {}, element("figcaption", {}, title), content);
}

export function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

export function draw(requests, destinations) {
  const now = Date.now();
  const recent = requests.filter((one) => one.at_ms > now - SPAN);
  const verified = new Array(SPAN / STEP).fill(0);
  const others = [...verified];
  const reasons = new Map();
  for (const one of recent) {
    const at = Math.min(verified.length - 1, Math.max(0, Math.floor((one.at_ms - now + SPAN) / STEP)));
    (one.message ? verified : others)[at] += 1000 / STEP;
    if (!one.message && one.reason) reasons.set(one.reason, (reasons.get(one.reason) ?? 0) + 1);
  }
  const peak = Math.max(...verified, ...others);
  const latencies = recent.filter((one) => one.message).map((one) => one.latency_us).sort((a, b) => a - b);
  const shares = [["median", 0.5], ["90 %", 0.9], ["99 %", 0.99]];
  const waiting = destinations.filter((one) => one.waiting !== undefined);
  $("charts").replaceChildren(
    chart("Requests per second", `peak ${peak.toFixed(1)}; red: not verified`, [[verified, ""], [others, "bad"]]),
    list("Reasons of rejections", [...reasons].sort((a, b) => b[1] - a[1]).slice(0, 6).map(([k, n]) => [k, String(n)])),
    list("Latency of verified requests", latencies.length ? shares.map(([k, s]) => [k, took(percentile(latencies, s))]) : []),
    ...(waiting.length ? [list("Inbox", waiting.map((one) => [one.name, depth(one, now)]))] : []),
  );
}

function depth(destination, now) {
  const oldest = destination.oldest ? `, oldest ${age(now - Date.parse(destination.oldest))}` : "";
  return `${destination.waiting} waiting${oldest}`;
}

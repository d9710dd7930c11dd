// The list of requests.

import { ask, segment } from "./api.js";
import { explain } from "./explain.js";
import { $, clock, element, offer, row, show, took } from "./elements.js";

const MOST = 5000;
const SHOWN = 300;

export const requests = [];
let last = 0;

// Asks for newer requests. True if there are some.
export async function update() {
  let changed = false;
  for (let more = true; more; ) {
    const page = await ask(`/-/requests?after=${last}`);
    requests.push(...page.requests);
    changed ||= page.requests.length > 0;
    ({ last, more } = page);
  }
  requests.splice(0, Math.max(0, requests.length - MOST));
  return changed;
}

const text = (one) => [
  one.route, one.outcome, one.reason, one.client, one.method, one.host, one.path,
  one.message?.id, one.message?.source, one.message?.key, one.message?.event_type,
].join("\n").toLowerCase();

const matches = (one) =>
  text(one).includes($("request-text").value.trim().toLowerCase())
  && (!$("request-outcome").value || one.outcome === $("request-outcome").value)
  && (!$("request-route").value || one.route === $("request-route").value);

export function render() {
  offer($("request-outcome"), requests.map((one) => one.outcome));
  offer($("request-route"), requests.map((one) => one.route));
  const shown = requests.filter(matches).slice(-SHOWN).reverse();
  const focused = document.activeElement?.dataset?.number;
  $("requests").tBodies[0].replaceChildren(...shown.map(line));
  if (focused) document.querySelector(`#requests [data-number="${focused}"]`)?.focus();
  $("no-requests").hidden = shown.length > 0;
  $("no-requests").textContent = requests.length ? "No request matches the filters." : "No requests yet.";
}

function line(one) {
  const name = one.message?.id ?? [one.method, one.path].filter(Boolean).join(" ") ?? "";
  const open = { type: "button", class: "open", "data-number": one.number, click: () => detail(one.number) };
  const outcome = one.reason ? `${one.outcome}: ${one.reason}` : one.outcome;
  const good = one.message && one.status >= 200 && one.status < 300;
  return row(
    element("button", { ...open, "aria-label": `Show request ${one.number}` }, clock(one.at_ms)),
    element("span", { class: good ? "good" : "bad" }, outcome),
    String(one.status ?? ""), one.route, name, one.message?.event_type ?? "", took(one.latency_us),
  );
}

async function detail(number) {
  const one = await ask(`/-/requests/${number}`).catch((error) => ({ failed: error.message }));
  if (one.failed) return show(`Request ${number}`, [["Error", one.failed]], null, []);
  const message = one.message;
  const forget = async () => {
    await ask(`/-/sources/${segment(message.source)}/ids/${segment(message.id)}`, "DELETE");
    return `${message.id} is forgotten: its next delivery is new.`;
  };
  return show(`Request ${number}`, [
    ["Ended", new Date(one.at_ms).toISOString()],
    ["Outcome", one.outcome],
    ["Reason", one.reason],
    ["Explanation", one.explanation],
    ["Expired secret", one.fits_expired_secret ? "an expired secret of the source made the signature" : null],
    ["Status", one.status ?? "none: the sender closed the connection"],
    ["Route", one.route],
    ["Method", one.method], ["Host", one.host], ["Path", one.path], ["Hint", one.hint],
    ["Client", one.client],
    ["Took", took(one.latency_us)],
    ["Verification took", took(one.verification_us)],
    ["Source", message?.source], ["Message id", message?.id], ["Event type", message?.event_type],
    ["Scheme", message?.scheme], ["Key", message?.key],
    ["Signed", message && new Date(message.signed_ms).toISOString()],
    ["Body length", message && `${message.body_length} bytes`],
    ["Body", one.body_base64 ? "not text: shown in base64" : null],
  ], one.body ?? one.body_base64, [
    ...(message ? [["Forget this id", forget]] : []),
    ...(one.explainable ? [["Explain", () => explain(number)]] : []),
  ]);
}

// The list of deliveries, and one delivery with its attempts.

import { ask, segment } from "./api.js";
import { $, element, row, run, show } from "./elements.js";

const SHOWN = 200;
let deliveries = [];
let refresh = async () => {};

export async function update() {
  const chosen = { page_size: SHOWN, status: $("delivery-status").value };
  const query = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value));
  ({ deliveries } = await ask(`/_emulator/deliveries?${query}`));
  render();
}

const text = (one) => [one.id, one.event_type, one.uri].join("\n").toLowerCase();

function render() {
  const searched = $("delivery-text").value.trim().toLowerCase();
  const shown = deliveries.filter((one) => text(one).includes(searched));
  const focused = document.activeElement?.dataset?.key;
  $("deliveries").tBodies[0].replaceChildren(...shown.map(line));
  if (focused) document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  $("no-deliveries").hidden = shown.length > 0;
  $("no-deliveries").textContent = deliveries.length ? "No delivery matches the filters." : "No deliveries yet.";
}

function line(one) {
  const open = { type: "button", class: "open", "data-key": `d ${one.id}`, "aria-label": `Show delivery ${one.id}` };
  const kind = { delivered: "good", given_up: "bad", gone: "bad", dropped: "bad" }[one.status];
  return row(
    element("button", { ...open, click: () => run(() => detail(one.id)) }, one.id),
    element("span", { class: kind }, one.status),
    one.event_type, one.uri, String(one.attempts), answer(one.last_answer), one.next_attempt ?? "",
  );
}

function answer(one) {
  if (!one) return "";
  if (one.error) return one.error;
  const later = one.retry_after_seconds === undefined ? "" : `, retry after ${one.retry_after_seconds} s`;
  return `${one.status}${later}${one.said ? `: ${one.said}` : ""}`;
}

async function detail(id) {
  const path = `/_emulator/deliveries/${segment(id)}`;
  const one = await ask(path);
  const redeliver = async () => {
    await ask(`${path}:redeliver`, "POST", {});
    $("detail").close();
    await refresh();
    return `${id} is due now.`;
  };
  show(`Delivery ${id}`, [
    ["Status", one.status], ["Event type", one.event_type], ["Address", one.uri],
    ["Webhook", one.webhook ?? "none: the address was in the request of the job"],
    ["Created", one.created], ["Next attempt", one.next_attempt],
    ...one.attempts.map((attempt, at) => [`Attempt ${at + 1}`, [
      `${attempt.at}, ${attempt.latency_ms} ms`,
      `signed with ${attempt.scheme} (${attempt.keys.join(", ")}), timestamp ${attempt.webhook_timestamp}`,
      attempt.fault ? `fault: ${attempt.fault}` : "",
      answer(attempt.answer),
    ].filter(Boolean).join("\n")]),
  ], one.body, [["Deliver again", redeliver]]);
}

export function start(update) {
  refresh = update;
  $("delivery-text").addEventListener("input", render);
  $("delivery-status").addEventListener("change", () => run(refresh));
}

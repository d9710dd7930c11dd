// Destinations and deliveries of the inbox.

import { Failed, ask, segment } from "./api.js";
import { $, age, element, offer, row, run, show } from "./elements.js";

const PAGE = 100;

export let destinations = [];
let deliveries = [];
let next = null;
let pages = 1;

// Asks for what is shown. There may be no inbox.
export async function update() {
  try {
    ({ destinations } = await ask("/-/inbox/destinations"));
    await load();
    $("inbox-section").hidden = false;
  } catch (error) {
    if (!(error instanceof Failed && error.status === 404)) throw error;
    $("inbox-section").hidden = true;
  }
}

function query(more = {}) {
  const chosen = {
    state: $("delivery-state").value,
    id: $("delivery-id").value.trim(),
    destination: $("delivery-destination").value,
    ...more,
  };
  return new URLSearchParams(Object.entries(chosen).filter(([, value]) => value)).toString();
}

async function load() {
  const found = [];
  next = null;
  for (let page = 0; page < pages; page += 1) {
    const answer = await ask(`/-/inbox/deliveries?${query({ limit: PAGE, older_than: next })}`);
    found.push(...answer.deliveries);
    ({ next } = answer);
    if (!next) break;
  }
  deliveries = found;
}

export function render() {
  offer($("delivery-destination"), destinations.map((one) => one.name));
  const focused = document.activeElement?.dataset?.key;
  $("destinations").tBodies[0].replaceChildren(...destinations.map(destination));
  $("deliveries").tBodies[0].replaceChildren(...deliveries.map(line));
  if (focused) document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  $("no-deliveries").hidden = deliveries.length > 0;
  $("more-deliveries").hidden = !next;
}

function destination(one) {
  const [verb, label] = one.paused ? ["resume", "Resume"] : ["pause", "Pause"];
  const act = async () => {
    await ask(`/-/inbox/destinations/${segment(one.name)}/${verb}`, "POST");
    await refresh();
    return `${one.name}: ${one.paused ? "resumed" : "paused"}.`;
  };
  const oldest = one.oldest ? age(Date.now() - Date.parse(one.oldest)) : "";
  return row(
    one.name,
    element("span", { class: one.paused ? "bad" : "good" }, one.paused ? "paused" : "delivering"),
    String(one.waiting ?? ""), oldest,
    element("button", { type: "button", "data-key": `d ${one.name}`, "aria-label": `${label} ${one.name}`, click: () => run(act) }, label),
  );
}

function line(one) {
  const open = { type: "button", class: "open", "data-key": `n ${one.number}`, "aria-label": `Show delivery ${one.number}` };
  return row(
    element("button", { ...open, click: () => run(() => detail(one.number)) }, String(one.number)),
    element("span", { class: { done: "good", dead: "bad" }[one.state] }, one.state),
    one.destination, one.message_id, one.event_type ?? "", String(one.attempts), one.due, one.last_error ?? "",
  );
}

async function detail(number) {
  const one = await ask(`/-/inbox/deliveries/${number}`);
  const act = (path, method, said) => async () => {
    await ask(path, method);
    $("detail").close();
    await refresh();
    return said;
  };
  const path = `/-/inbox/deliveries/${number}`;
  show(`Delivery ${number}`, [
    ["State", one.state], ["Destination", one.destination], ["Attempts", one.attempts],
    ["Since", one.since], ["Due", one.due], ["Last error", one.last_error],
    ["Source", one.source], ["Message id", one.message_id], ["Event type", one.event_type],
    ["Received", one.received], ["Path", one.path],
    ["Headers", one.headers.map(([name, value]) => `${name}: ${value}`).join("\n")],
    ["Body length", `${one.body_length} bytes`],
    ["Body", one.body_base64 ? "not text: shown in base64" : null],
  ], one.body ?? one.body_base64, [
    ["Deliver again", act(`${path}/redeliver`, "POST", `Delivery ${number} is due now.`)],
    ["Discard", act(path, "DELETE", `Delivery ${number} is discarded.`)],
  ]);
}

async function refresh() {
  await update();
  render();
}

export function start() {
  const reload = () => { pages = 1; run(refresh); };
  for (const id of ["delivery-state", "delivery-destination"]) $(id).addEventListener("change", reload);
  $("delivery-id").addEventListener("input", reload);
  $("more-deliveries").addEventListener("click", () => { pages += 1; run(refresh); });
  $("redeliver-all").addEventListener("click", () => run(async () => {
    const answer = await ask(`/-/inbox/redeliver?${query({ state: "dead" })}`, "POST");
    await refresh();
    return `${answer.redelivered} dead letters are due now.`;
  }));
}

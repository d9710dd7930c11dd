// What is known of the sender, and what it is told to do: events, faults, time, keys.

import { ask } from "./api.js";
import { $, element, offer, run } from "./elements.js";

export async function update() {
  const sender = await ask("/_emulator");
  const faults = Object.entries(sender.faults).map(([name, frequency]) => `${name} (${frequency})`);
  const ended = Object.entries(sender.ended).map(([ending, count]) => `${count} ${ending}`);
  const facts = [
    ["Sender", sender.sender], ["Base URL", sender.base_url], ["Key set", sender.jwks_url], ["Seed", String(sender.seed)],
    ["Time", `${sender.clock.now}, ${sender.clock.scale} times as fast as real time`],
    ["Deliveries", `${sender.deliveries}, ${sender.open} open${ended.length ? `, ${ended.join(", ")}` : ""}`],
    ["Attempts", String(sender.attempts)],
    ["Active faults", faults.join(", ") || "none"],
  ];
  $("overview").replaceChildren(...facts.flatMap(([name, fact]) => [element("dt", {}, name), element("dd", {}, fact)]));
  offer($("fault"), sender.known_faults);
  if (!$("emit-types").children.length) {
    $("emit-types").replaceChildren(...sender.known_events.map((value) => element("option", { value })));
  }
}

// A whole number is a count, and anything else a rate.
function frequency(text) {
  return /^[0-9]+$/.test(text) ? Number(text) : text;
}

export function start(refresh) {
  const act = (action) => () => run(async () => {
    const said = await action();
    await refresh();
    return said;
  });
  const submitted = (action) => (event) => {
    event.preventDefault();
    act(action)();
  };
  $("emit-form").addEventListener("submit", submitted(async () => {
    const made = await ask("/_emulator/events:emit", "POST", { type: $("emit-type").value.trim() });
    return made.deliveries === 1 ? "1 delivery is due." : `${made.deliveries} deliveries are due.`;
  }));
  $("fault-form").addEventListener("submit", submitted(async () => {
    const fault = $("fault").value;
    await ask("/_emulator/faults", "POST", { [fault]: frequency($("fault-frequency").value.trim()) });
    return `${fault}: ${$("fault-frequency").value.trim()}.`;
  }));
  const advance = (by, said) => act(async () => {
    await ask("/_emulator/clock:advance", "POST", { by });
    return said;
  });
  $("advance-minute").addEventListener("click", advance("1m", "It is one minute later."));
  $("advance-hour").addEventListener("click", advance("1h", "It is one hour later."));
  $("rotate-keys").addEventListener("click", act(async () => {
    const set = await ask("/_emulator/keys:rotate", "POST", {});
    return `${set.keys.length} keys are published.`;
  }));
}

// The webhooks of all projects, and the rotation of their secrets.

import { ask, segment } from "./api.js";
import { $, element, row, run, show } from "./elements.js";

let webhooks = [];
let refresh = async () => {};

export async function update() {
  ({ webhooks } = await ask("/_emulator/webhooks"));
  const focused = document.activeElement?.dataset?.key;
  $("webhooks").tBodies[0].replaceChildren(...webhooks.map(line));
  if (focused) document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  $("no-webhooks").hidden = webhooks.length > 0;
}

function line({ project, resource }) {
  const secrets = resource.signing_secrets.map((secret) => secret.truncated_secret).join(", ");
  const button = { type: "button", "data-key": `w ${resource.id}`, "aria-label": `Rotate the secret of ${resource.id}` };
  return row(
    resource.id, String(project),
    element("span", { class: resource.state === "enabled" ? "good" : "bad" }, resource.state),
    resource.uri, secrets,
    element("button", { ...button, click: () => run(() => rotate(project, resource)) }, "Rotate secret"),
  );
}

async function rotate(project, { id, uri }) {
  const { secret } = await ask(`/_emulator/webhooks/${project}/${segment(id)}:rotate_secret`, "POST", {});
  await refresh();
  show("New secret", [["Webhook", id], ["Address", uri], ["Previous secrets", "valid for one more day"]], secret, []);
}

export function start(update) {
  refresh = update;
}

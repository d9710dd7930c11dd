// Keeps the page up to date.

import { draw } from "./charts.js";
import { $ } from "./elements.js";
import { start } from "./frame.js";
import * as inbox from "./inbox.js";
import * as list from "./requests.js";

let rendered = false;

async function update() {
  const changed = await list.update();
  await inbox.update();
  if (changed || !rendered) list.render();
  inbox.render();
  draw(list.requests, inbox.destinations);
  rendered = true;
}

for (const id of ["request-text", "request-outcome", "request-route"]) $(id).addEventListener("input", list.render);
inbox.start();
start(update);

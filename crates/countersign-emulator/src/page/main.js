// Keeps the page up to date.

import * as controls from "./controls.js";
import * as deliveries from "./deliveries.js";
import { start } from "./frame.js";
import * as webhooks from "./webhooks.js";

async function update() {
  await Promise.all([controls.update(), deliveries.update(), webhooks.update()]);
}

controls.start(update);
deliveries.start(update);
webhooks.start(update);
start(update);

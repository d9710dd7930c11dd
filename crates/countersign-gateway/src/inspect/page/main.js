// Keeps the page up to date.

import { Unauthorized, setToken } from "./api.js";
import { draw } from "./charts.js";
import { $ } from "./elements.js";
import * as inbox from "./inbox.js";
import * as list from "./requests.js";

const EVERY = 1000;
let live = true;

async function tick() {
  try {
    const changed = await list.update();
    await inbox.update();
    if (changed || !tick.rendered) list.render();
    inbox.render();
    draw(list.requests, inbox.destinations);
    tick.rendered = true;
    says(live ? "Live" : "Paused", true);
  } catch (error) {
    says(error instanceof Unauthorized ? "Enter the token." : `Not up to date: ${error.message}`, !(error instanceof Unauthorized));
  }
}

function says(text, isIn) {
  if ($("status").textContent !== text) $("status").textContent = text;
  $("login").hidden = isIn;
  $("content").hidden = !isIn;
}

async function loop() {
  if (live && !document.hidden) await tick();
  setTimeout(loop, EVERY);
}

$("live").addEventListener("click", () => {
  live = !live;
  $("live").setAttribute("aria-pressed", String(live));
  $("status").textContent = live ? "Live" : "Paused";
});
$("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  $("theme").textContent = dark ? "Dark" : "Light";
});
$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken($("token").value);
  $("token").value = "";
  tick();
});
for (const id of ["request-text", "request-outcome", "request-route"]) $(id).addEventListener("input", list.render);
inbox.start();
loop();

// The frame of a page: it keeps the page up to date, and switches its appearance.

import { Unauthorized, setToken } from "./api.js";
import { $ } from "./elements.js";

const EVERY = 1000;
let live = true;

// Calls `update` every second, while the page is visible and not paused.
export function start(update) {
  async function tick() {
    try {
      await update();
      says(live ? "Live" : "Paused", true);
    } catch (error) {
      const isOut = error instanceof Unauthorized;
      says(isOut ? "Enter the token." : `Not up to date: ${error.message}`, !isOut);
    }
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
  // A page whose server has no token has no form for it.
  $("token-form")?.addEventListener("submit", (event) => {
    event.preventDefault();
    setToken($("token").value);
    $("token").value = "";
    tick();
  });
  loop();
}

function says(text, isIn) {
  if ($("status").textContent !== text) $("status").textContent = text;
  if ($("login")) $("login").hidden = isIn;
  $("content").hidden = !isIn;
}

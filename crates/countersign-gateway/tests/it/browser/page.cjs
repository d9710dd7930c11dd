// What the tests of both pages share: the browser, what must never happen, and the frame of the page.
// node SCRIPT FOLDER-OF-PACKAGES CHROMIUM URL FOLDER-OF-SCREENSHOTS …
"use strict";

const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const path = require("node:path");

const [packages, browserName, url, pictures, ...more] = process.argv.slice(2);
const executablePath = execFileSync("which", [browserName], { encoding: "utf8" }).trim();
const { chromium } = require(path.join(packages, "playwright-core"));

const errors = [];
const elsewhere = [];

// Calls `use` with a page. It may not load or report anything that it should not.
async function run(use) {
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const context = await browser.newContext({ colorScheme: "light", viewport: { width: 1280, height: 1000 } });
    context.setDefaultTimeout(20_000);
    const page = await context.newPage();
    page.on("console", (message) => {
      // The browser itself reports the 401 that asks for the token, and the 400 of an input that is rejected.
      if (message.type() === "error" && !/status of 40[01]/.test(message.text())) errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("request", (request) => {
      if (new URL(request.url()).origin !== new URL(url).origin) elsewhere.push(request.url());
    });
    await use(page);
    assert.deepEqual(errors, [], "no error on the console");
    assert.deepEqual(elsewhere, [], "no request to elsewhere");
  } catch (error) {
    console.error(error.stack ?? error);
    if (errors.length) console.error("on the console:", errors);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

const rows = (page, table) => page.locator(`#${table} tbody tr`);

async function appearance(page, picture) {
  const theme = page.locator("#theme");
  const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await back();
  await theme.click();
  assert.notEqual(await back(), light);
  await page.screenshot({ path: path.join(pictures, picture), fullPage: true });
  await theme.click();
  assert.equal(await back(), light);
  const live = page.getByRole("button", { name: "Live", exact: true });
  await live.click();
  assert.equal(await live.getAttribute("aria-pressed"), "false");
  await page.locator("#status", { hasText: "Paused" }).waitFor();
  await live.click();
  await page.locator("#status", { hasText: "Live" }).waitFor();
}

// Each control has a name that a screen reader can say.
async function labels(page) {
  const nameless = await page.evaluate(() =>
    Array.from(document.querySelectorAll("button, input, select"))
      .filter((control) => !control.textContent.trim() && !control.getAttribute("aria-label") && !control.labels?.length)
      .map((control) => control.outerHTML));
  assert.deepEqual(nameless, []);
}

module.exports = { appearance, assert, labels, more, path, pictures, rows, run, url };

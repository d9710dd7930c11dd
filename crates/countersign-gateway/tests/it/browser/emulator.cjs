// Uses every control of the emulator's inspector in a real browser. Run by ../emulator_page.rs, with the id of the webhook
// at the end.
"use strict";

const { appearance, assert, labels, more: [webhook], path, pictures, rows, run, url } = require("./page.cjs");

const ATTACK = "<img src=x onerror=attacked=1>";

async function use(page) {
  await page.goto(`${url}/_emulator/inspect`);
  await page.locator("#status", { hasText: "Live" }).waitFor();
  await page.locator("#overview", { hasText: url }).waitFor();
  await deliveries(page);
  await faults(page);
  await retries(page);
  await secrets(page);
  await attack(page);
  await appearance(page, "emulator-dark.png");
  await labels(page);
}

async function emit(page, type) {
  await page.getByLabel("Event type").fill(type);
  await page.getByRole("button", { name: "Emit" }).click();
  await page.getByText("1 delivery is due.").waitFor();
}

const dialog = (page) => page.getByRole("dialog");
const close = (page) => dialog(page).getByRole("button", { name: "Close" }).click();
const open = (row) => row.getByRole("button", { name: /^Show delivery/ }).click();

async function deliveries(page) {
  await page.getByText("No deliveries yet.").waitFor();
  await emit(page, "batch.succeeded");
  const all = rows(page, "deliveries");
  await all.filter({ hasText: "delivered" }).waitFor();
  await open(all.first());
  const text = await dialog(page).innerText();
  for (const expected of ["delivered", "batch.succeeded", "Attempt 1", "signed with v1 (whsec_...", "200"]) {
    assert.ok(text.includes(expected), `${expected} in ${text}`);
  }
  assert.ok((await dialog(page).getByLabel("Body").innerText()).includes('"batch.succeeded"'));
  await page.screenshot({ path: path.join(pictures, "emulator-delivery.png") });
  await dialog(page).getByRole("button", { name: "Deliver again" }).click();
  await page.getByText(/is due now/).waitFor();
  await all.first().filter({ hasText: "delivered" }).locator("td:nth-child(5)", { hasText: "2" }).waitFor();

  await page.getByLabel("Search").fill("no such thing");
  await page.getByText("No delivery matches the filters.").waitFor();
  await page.getByLabel("Search").fill("batch.succ");
  await all.first().waitFor();
  await page.getByLabel("Search").fill("");
  await page.getByLabel("Status").selectOption("given_up");
  await all.first().waitFor({ state: "detached" });
  await page.getByLabel("Status").selectOption("");
  await all.first().waitFor();
}

async function faults(page) {
  await page.getByLabel("Fault").selectOption("tampered_body");
  await page.getByLabel("How often", { exact: true }).fill("often");
  await page.getByRole("button", { name: "Play" }).click();
  await page.locator("#notice", { hasText: "for the next three" }).waitFor();
  await page.getByLabel("How often", { exact: true }).fill("1");
  await page.getByRole("button", { name: "Play" }).click();
  await page.locator("#overview", { hasText: "tampered_body (1)" }).waitFor();
  await emit(page, "video.generated");
  const row = rows(page, "deliveries").filter({ hasText: "video.generated" });
  await row.locator("td:nth-child(5)", { hasText: "1" }).waitFor();
  await open(row);
  await dialog(page).getByText("fault: tampered_body").waitFor();
  await close(page);
}

// The first attempt fails, and the next one is due later.
async function retries(page) {
  await emit(page, "batch.failed");
  const row = rows(page, "deliveries").filter({ hasText: "batch.failed" });
  await row.filter({ hasText: "waiting" }).filter({ hasText: "500" }).waitFor();
  assert.match(await row.locator("td:nth-child(7)").innerText(), /^20\d\d-/);
  await page.screenshot({ path: path.join(pictures, "emulator-light.png"), fullPage: true });
  await page.getByRole("button", { name: "Advance 1 min" }).click();
  await page.getByText("It is one minute later.").waitFor();
  await page.getByRole("button", { name: "Advance 1 h" }).click();
  await row.filter({ hasText: "delivered" }).waitFor();
}

async function secrets(page) {
  const row = rows(page, "webhooks").filter({ hasText: webhook });
  await row.getByRole("button", { name: `Rotate the secret of ${webhook}` }).click();
  await dialog(page).getByText("New secret").waitFor();
  assert.match(await dialog(page).getByLabel("Body").innerText(), /^whsec_/);
  await close(page);
  await row.locator("td:nth-child(5)", { hasText: /whsec_\S+, whsec_/ }).waitFor();
  await page.getByRole("button", { name: "Rotate the published keys" }).click();
  await page.getByText(/keys are published/).waitFor();
}

// What comes from outside stays text: the event type, and the response of the receiver.
async function attack(page) {
  await emit(page, ATTACK);
  const row = rows(page, "deliveries").filter({ hasText: ATTACK });
  await row.filter({ hasText: "<script>" }).waitFor();
  await open(row);
  await dialog(page).getByText(ATTACK).first().waitFor();
  await close(page);
  assert.equal(await page.evaluate(() => window.attacked), undefined);
  assert.equal(await page.locator("#content img, #content script").count(), 0);
}

run(use);

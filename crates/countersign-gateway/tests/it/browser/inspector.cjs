// Uses every control of the gateway's inspector in a real browser. Run by ../inspector.rs, with the token at the end.
"use strict";

const { appearance, assert, labels, more: [token], path, pictures, rows, run, url } = require("./page.cjs");

async function use(page) {
  await page.goto(`${url}/inspect`);
  await logIn(page);
  await requests(page);
  await keyboard(page);
  await inbox(page);
  await appearance(page, "inspector-dark.png");
  await labels(page);
  await charts(page);
}

async function logIn(page) {
  const field = page.getByLabel("The value of admin_token");
  await field.fill("wrong-wrong-wrong-wrong");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByText("Enter the token.").waitFor();
  assert.equal(await page.locator("main").isVisible(), false);
  await field.fill(token);
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.locator("#status", { hasText: "Live" }).waitFor();
}

async function requests(page) {
  const all = rows(page, "requests");
  await all.filter({ hasText: "signature_mismatch" }).first().waitFor();
  const count = await all.count();
  await page.screenshot({ path: path.join(pictures, "inspector-light.png"), fullPage: true });

  await page.getByLabel("Search").fill("msg_good");
  await all.nth(0).filter({ hasText: "msg_good" }).waitFor();
  assert.equal(await all.count(), 1);
  await page.getByLabel("Search").fill("no such thing");
  await page.getByText("No request matches the filters.").waitFor();
  await page.getByLabel("Search").fill("");
  await page.getByLabel("Outcome").selectOption("refused");
  for (const text of await all.allInnerTexts()) assert.match(text, /refused/);
  await page.getByLabel("Outcome").selectOption("");
  await page.getByLabel("Route").selectOption("none");
  for (const text of await all.allInnerTexts()) assert.match(text, /no_route/);
  await page.getByLabel("Route").selectOption("");
  assert.ok((await all.count()) >= count);

  await all.filter({ hasText: "msg_good" }).getByRole("button").click();
  const dialog = page.getByRole("dialog");
  const text = await dialog.innerText();
  for (const expected of ["msg_good", "batch.succeeded", "v1", "127.0.0.1", "/hook", "200"]) {
    assert.ok(text.includes(expected), `${expected} in ${text}`);
  }
  assert.ok((await dialog.getByLabel("Body").innerText()).includes('"batch.succeeded"'));
  await page.screenshot({ path: path.join(pictures, "inspector-request.png") });
  await dialog.getByRole("button", { name: "Forget this id" }).click();
  await page.getByText("msg_good is forgotten").waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();

  await all.filter({ hasText: "signature_mismatch" }).first().getByRole("button").click();
  await dialog.getByText("Explanation", { exact: true }).waitFor();
  await dialog.getByRole("button", { name: "Explain" }).click();
  await dialog.getByText("possible: the secret is not the sender's").waitFor();
  await dialog.getByText("wrong_secret").waitFor();
  // On a busy machine the search may end at its limit of time.
  await dialog.getByText(/^Tried \d+ signatures(\.|, and stopped early)/).waitFor();
  await page.screenshot({ path: path.join(pictures, "inspector-explanation.png") });
  await dialog.getByRole("button", { name: "Close" }).click();

  // What a sender writes stays text, in the list and in the detail.
  for (const row of await all.filter({ hasText: "<img" }).all()) {
    await row.getByRole("button").click();
    await dialog.getByText("<img").first().waitFor();
    await dialog.getByRole("button", { name: "Close" }).click();
  }
  assert.ok((await all.filter({ hasText: "<img" }).count()) >= 2, "the attempts are shown");
  assert.equal(await page.evaluate(() => window.attacked), undefined);
  assert.equal(await page.locator("#content img, #content script").count(), 0);
}

async function keyboard(page) {
  const first = rows(page, "requests").first().getByRole("button");
  await page.getByLabel("Route").focus();
  await page.keyboard.press("Tab");
  for (let n = 0; n < 3 && !(await first.evaluate((button) => button === document.activeElement)); n += 1) {
    await page.keyboard.press("Tab");
  }
  assert.ok(await first.evaluate((button) => button === document.activeElement), "Tab reaches the list");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
}

async function inbox(page) {
  const deliveries = rows(page, "deliveries");
  const destination = rows(page, "destinations").filter({ hasText: "/queue" });
  await deliveries.filter({ hasText: "msg_again" }).filter({ hasText: "dead" }).waitFor();
  await page.getByRole("button", { name: "Pause /queue" }).click();
  await destination.filter({ hasText: "paused" }).waitFor();

  await page.getByLabel("State").selectOption("dead");
  await page.getByLabel("Message id").fill("msg_discard");
  await deliveries.filter({ hasText: "msg_again" }).waitFor({ state: "detached" });
  assert.equal(await deliveries.count(), 1);
  const dialog = page.getByRole("dialog");
  await deliveries.getByRole("button").click();
  await dialog.getByText("status 500").waitFor();
  assert.ok((await dialog.innerText()).includes("webhook-signature: (hidden)"));
  assert.ok((await dialog.getByLabel("Body").innerText()).includes("msg_discard"));
  await page.screenshot({ path: path.join(pictures, "inspector-delivery.png") });
  await dialog.getByRole("button", { name: "Discard" }).click();
  await page.getByText(/is discarded/).waitFor();
  await page.getByText("No deliveries.").waitFor();

  await page.getByLabel("Message id").fill("msg_again");
  await deliveries.first().getByRole("button").click();
  await dialog.getByRole("button", { name: "Deliver again" }).click();
  await page.getByText(/is due now/).waitFor();
  await page.getByLabel("Message id").fill("");
  await page.locator("#delivery-destination").selectOption("/queue");
  await deliveries.filter({ hasText: "msg_all" }).waitFor();
  await page.getByRole("button", { name: "Deliver dead letters again" }).click();
  await page.getByText(/dead letters? .*due now/).waitFor();
  await page.getByLabel("State").selectOption("");
  await deliveries.filter({ hasText: "waiting" }).first().waitFor();
  await page.getByRole("button", { name: "Resume /queue" }).click();
  await destination.filter({ hasText: "delivering" }).waitFor();
  await page.getByLabel("State").selectOption("done");
  await deliveries.filter({ hasText: "msg_again" }).waitFor();
  await deliveries.filter({ hasText: "msg_all" }).waitFor();
}

async function charts(page) {
  for (const chart of await page.locator("#charts svg").all()) assert.ok(await chart.getAttribute("aria-label"));
}

run(use);

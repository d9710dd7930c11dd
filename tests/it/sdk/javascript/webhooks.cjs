// Every method of the webhooks, through the SDK.
const { RECEIVER, advance, delivered, error, inBothVersions, moment, plain, raw } = require("./common.cjs");

function webhook(w) {
  const secret = (s) => ({ truncated_secret: s.truncated_secret ?? null, expire_time: moment(s.expire_time) });
  return {
    id: w.id ?? null,
    name: w.name ?? null,
    uri: w.uri ?? null,
    subscribed_events: w.subscribed_events ?? null,
    state: w.state ?? null,
    create_time: moment(w.create_time),
    update_time: moment(w.update_time),
    new_signing_secret: w.new_signing_secret ?? null,
    signing_secrets: w.signing_secrets?.map(secret) ?? null,
  };
}

async function pages(webhooks, size) {
  const found = [];
  let token;
  do {
    const page = await webhooks.list({ page_size: size, page_token: token });
    found.push(page.webhooks.map(webhook));
    token = page.next_page_token;
  } while (token);
  return found;
}

async function drive(client, version, key) {
  const { webhooks } = client;
  const uri = `${RECEIVER}/static/${version}`;
  const facts = { none: (await webhooks.list()).webhooks };
  const first = { uri, subscribed_events: ["video.generated", "batch.succeeded"], name: "first" };
  const created = await webhooks.create(first);
  const { id } = created;
  facts.created = webhook(created);
  facts.others = [];
  for (let n = 0; n < 4; n += 1) {
    const other = await webhooks.create({ uri: `${uri}/${n}`, subscribed_events: ["interaction.completed"] });
    facts.others.push(webhook(other));
  }
  facts.got = webhook(await webhooks.get(id));
  facts.pages = await pages(webhooks, 2);
  facts.all = await pages(webhooks, undefined);

  async function ping(of) {
    const answer = plain(await webhooks.ping(of));
    // Before anything changes that it would be signed with.
    await delivered();
    return answer;
  }
  facts.pinged = await ping(id);

  await advance("1m");
  const change = { name: "second", uri: `${uri}/moved`, subscribed_events: ["batch.failed", "batch.expired"] };
  facts.updated = webhook(await webhooks.update(id, change));
  // The mask takes one of the two.
  const masked = { name: "third", uri: "https://example.com/not-this", update_mask: "name" };
  facts.masked = webhook(await webhooks.update(id, masked));
  const maskedTwo = { name: "fourth", state: "disabled", update_mask: "state,name" };
  facts.masked_two = webhook(await webhooks.update(id, maskedTwo));
  facts.ping_of_disabled = await error(() => webhooks.ping(id));
  facts.enabled = webhook(await webhooks.update(id, { state: "enabled" }));

  async function rotate(call) {
    await advance("1m");
    const before = webhook(await webhooks.get(id));
    const { secret } = await call();
    const after = webhook(await webhooks.get(id));
    await ping(id);
    return { before, secret, after };
  }
  const bySdk = (behavior) => rotate(() => webhooks.rotateSigningSecret(id, behavior));
  const byHand = (path, behavior) =>
    rotate(() => raw("POST", `/${version}/webhooks/${id}${path}`, { revocation_behavior: behavior }, key));

  facts.rotations = {
    after_a_day: await bySdk({ revocation_behavior: "revoke_previous_secrets_after_h24" }),
    at_once: await bySdk({ revocation_behavior: "revoke_previous_secrets_immediately" }),
    unless_said: await bySdk(),
    capitals_at_once: await byHand("/rotate_secret", "REVOKE_PREVIOUS_SECRETS_IMMEDIATELY"),
    capitals_after_a_day: await byHand(":rotateSigningSecret", "REVOKE_PREVIOUS_SECRETS_AFTER_H24"),
  };
  await advance("24h");
  facts.a_day_later = webhook(await webhooks.get(id));
  await ping(id);

  // One whose receiver says that it is gone, and comes back.
  const gone = await webhooks.create({ uri: `${RECEIVER}/gone/${version}`, subscribed_events: ["batch.failed"] });
  await advance("1m");
  facts.gone = { created: webhook(gone), pinged: await ping(gone.id), got: webhook(await webhooks.get(gone.id)) };
  facts.gone.enabled = webhook(await webhooks.update(gone.id, { state: "enabled" }));
  await webhooks.delete(gone.id);

  facts.deleted = plain(await webhooks.delete(id));
  facts.get_of_deleted = await error(() => webhooks.get(id));
  facts.left = (await webhooks.list()).webhooks.map((w) => w.id);
  return facts;
}

inBothVersions(drive);

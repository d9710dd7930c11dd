// What the SDK throws when a request is not as it should be.
const { RECEIVER, client, error, inBothVersions } = require("./common.cjs");

async function drive({ webhooks, interactions, batches }, version) {
  const events = ["batch.succeeded"];
  const nobody = client(version === "v1" ? undefined : version, "a key", { "x-goog-api-key": "" });
  const { id } = await webhooks.create({ uri: `${RECEIVER}/static`, subscribed_events: events });
  const unreadable = "example.com/hook";
  const unknown = "no.such.event";
  const uris = ["ftp://example.com"];
  return {
    webhook_missing: await error(() => webhooks.get("no-such-webhook")),
    webhook_of_a_full_name: await error(() => webhooks.get(`webhooks/${id}`)),
    interaction_missing: await error(() => interactions.get("no-such-interaction")),
    batch_missing: await error(() => batches.get({ name: "batches/no-such-batch" })),
    uri: await error(() => webhooks.create({ uri: unreadable, subscribed_events: events })),
    event: await error(() => webhooks.create({ uri: RECEIVER, subscribed_events: [...events, unknown] })),
    state: await error(() => webhooks.update(id, { state: "disabled_due_to_failed_deliveries" })),
    mask: await error(() => webhooks.update(id, { name: "new", update_mask: "name,id" })),
    page_token: await error(() => webhooks.list({ page_token: "???" })),
    webhook_config: await error(() =>
      interactions.create({ model: "m", input: "hello", background: true, webhook_config: { uris } }),
    ),
    batch_webhook_config: await error(() =>
      batches.create({ model: "m", src: "files/1", config: { webhookConfig: { uris } } }),
    ),
    stream: await error(() => interactions.create({ model: "m", input: "hello", stream: true })),
    no_key: await error(() => nobody.webhooks.list()),
    no_key_of_batches: await error(() => nobody.batches.get({ name: "batches/1" })),
    // Nothing came of it.
    only_the_good_one: (await webhooks.list()).webhooks.map((w) => w.id).join() === id,
  };
}

inBothVersions(drive);

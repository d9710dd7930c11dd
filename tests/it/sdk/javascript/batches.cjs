// Batches, through the SDK.
const { RECEIVER, content, delivered, downloaded, error, inBothVersions, moment, plain, polled } = require("./common.cjs");

const OPEN = ["JOB_STATE_PENDING", "JOB_STATE_RUNNING"];

function response(inlined) {
  return {
    // These responses are plain here, without the getter for their text.
    text: inlined.response?.candidates[0].content.parts.map(({ text }) => text).join("") ?? null,
    model_version: inlined.response?.modelVersion ?? null,
    finish_reason: inlined.response?.candidates[0].finishReason ?? null,
    metadata: inlined.metadata ?? null,
    error: inlined.error ?? null,
  };
}

function batch(j) {
  return {
    name: j.name ?? null,
    display_name: j.displayName ?? null,
    state: j.state ?? null,
    model: j.model ?? null,
    create_time: moment(j.createTime),
    update_time: moment(j.updateTime),
    end_time: moment(j.endTime),
    file_name: j.dest?.fileName ?? null,
    responses: j.dest?.inlinedResponses?.map(response) ?? null,
  };
}

async function pages(batches, pageSize) {
  const pager = await batches.list({ config: { pageSize } });
  const found = [pager.page.map(batch)];
  while (pager.hasNextPage()) {
    found.push((await pager.nextPage()).map(batch));
  }
  return found;
}

async function all(batches) {
  const found = [];
  for await (const job of await batches.list()) found.push(batch(job));
  return found;
}

async function drive(client, version) {
  const { batches } = client;
  const uri = `${RECEIVER}/static/${version}`;
  const webhook = await client.webhooks.create({ uri, subscribed_events: ["batch.succeeded"] });
  const facts = { none: await all(batches), secret: webhook.new_signing_secret };

  const config = (what, more = {}) => {
    const userMetadata = { what, n: 1, snake_case: { camelCase: [1.5, null] } };
    return { displayName: what, webhookConfig: { userMetadata, ...more } };
  };
  const dynamic = (what) => config(what, { uris: [`${RECEIVER}/dynamic/${version}/${what}`] });
  const create = (what, src) => batches.create({ model: "gemini-2.5-flash", src, config: dynamic(what) });

  async function toItsEnd(j) {
    const answers = await polled(() => batches.get({ name: j.name }), ({ state }) => OPEN.includes(state));
    await delivered();
    return { created: batch(j), polled: answers.map(batch) };
  }

  const inline = [
    { contents: "Say hello.", metadata: { key: "r1" }, config: { temperature: 0.1 } },
    { contents: [{ role: "user", parts: [{ text: "Say" }, { text: "goodbye." }] }] },
  ];
  facts.inline = await toItsEnd(await create("inline", inline));
  facts.file = await toItsEnd(await create("file", "files/requests-1"));
  // No addresses: it goes to the registered webhook, and what is to be returned still is.
  const registered = { model: "gemini-2.5-flash", src: "files/requests-2", config: config("registered") };
  facts.registered = await toItsEnd(await batches.create(registered));
  // The results are a file, and so is the object that the event names.
  const file = facts.file.polled.at(-1).file_name;
  facts.downloaded = (await downloaded(client, file)).toString();
  const described = await client.files.get({ name: file });
  facts.described = [described.name, described.mimeType, Number(described.sizeBytes), described.source];
  facts.downloaded_again = (await downloaded(client, described)).toString();
  const inlineId = facts.inline.created.name.replace("batches/", "");
  facts.object = await content(`/emulated-bucket/batch-${inlineId}.jsonl`);
  facts.failed = await toItsEnd(await create("failed", [{ contents: "Please [[fail]]." }]));
  facts.expired = await toItsEnd(await create("expired", [{ contents: "Please [[expire]]." }]));

  const cancelled = await create("cancelled", "files/requests-3");
  const { name } = cancelled;
  facts.cancelled = {
    created: batch(cancelled),
    answer: (await batches.cancel({ name })) ?? null,
    polled: [batch(await batches.get({ name }))],
  };
  facts.cancelled_again = await error(() => batches.cancel({ name }));
  await delivered();

  facts.pages = await pages(batches, 2);
  facts.all = await all(batches);
  facts.deleted = plain(await batches.delete({ name }));
  facts.get_of_deleted = await error(() => batches.get({ name }));
  facts.left = (await all(batches)).map((job) => job.name);
  return facts;
}

inBothVersions(drive);

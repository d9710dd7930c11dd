// Files that are uploaded, and a batch that reads one, through the SDK.
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { downloaded, inBothVersions, polled } = require("./common.cjs");

const OPEN = ["JOB_STATE_PENDING", "JOB_STATE_RUNNING"];
const REQUESTS = { "request-1": "Say hello.", "request-2": "Say goodbye." };

function file(f) {
  return {
    name: f.name ?? null,
    display_name: f.displayName ?? null,
    mime_type: f.mimeType ?? null,
    size: Number(f.sizeBytes),
    state: f.state ?? null,
    source: f.source ?? null,
  };
}

async function names(client) {
  const found = [];
  for await (const one of await client.files.list()) found.push(one.name);
  return found;
}

async function drive(client) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "uploads-"));
  const requests = path.join(folder, "requests.jsonl");
  const line = ([key, text]) => JSON.stringify({ key, request: { contents: [{ role: "user", parts: [{ text }] }] } });
  fs.writeFileSync(requests, Object.entries(REQUESTS).map(line).join("\n") + "\n");
  const config = { displayName: "requests", mimeType: "application/jsonl" };
  const uploaded = await client.files.upload({ file: requests, config });
  fs.rmSync(folder, { recursive: true });
  const { name } = uploaded;
  const facts = { uploaded: file(uploaded), described: file(await client.files.get({ name })) };
  const blob = new Blob(["x".repeat(9 << 20)], { type: "text/plain" });
  const large = await client.files.upload({ file: blob, config: { mimeType: "text/plain" } });
  facts.large = Number(large.sizeBytes);
  facts.listed = await names(client);

  const created = await client.batches.create({ model: "gemini-2.5-flash", src: name });
  const answers = await polled(() => client.batches.get({ name: created.name }), ({ state }) => OPEN.includes(state));
  const ended = answers.at(-1);
  facts.state = ended.state;
  facts.results = (await downloaded(client, ended.dest.fileName)).toString();
  await client.files.delete({ name: large.name });
  facts.left = await names(client);
  return facts;
}

inBothVersions(drive);

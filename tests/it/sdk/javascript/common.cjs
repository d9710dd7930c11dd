// What the drivers share: clients, what the emulator has beside the API, and facts as both languages print them.
const { mkdtempSync, readFileSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");

const { EMULATOR, RECEIVER, SDK } = process.env;
const sdk = require(SDK);
// So many looks at what is under way, with a pause after each, before it is given up.
const LOOKS = 1500;
const PAUSE = 20;

function client(apiVersion, apiKey = "an API key", headers = undefined) {
  return new sdk.GoogleGenAI({ apiKey, apiVersion, httpOptions: { baseUrl: EMULATOR, headers } });
}

// Drives the version that the SDK takes by itself, and the other, each in a project of its own.
async function inBothVersions(drive, byItself = "v1") {
  const facts = {};
  for (const version of ["v1", "v1beta"]) {
    const key = `the key of ${version}`;
    const apiVersion = version === byItself ? undefined : version;
    facts[version] = await drive(client(apiVersion, key), version, key);
  }
  console.log(JSON.stringify(facts));
}

// A request that no SDK makes.
async function raw(method, path, body = undefined, key = "an API key") {
  const headers = { "x-goog-api-key": key };
  const response = await fetch(EMULATOR + path, { method, body: JSON.stringify(body), headers });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
  return answer;
}

// Text that is no answer of the API.
async function content(path) {
  return await (await fetch(EMULATOR + path)).text();
}

// A file, which the SDK writes to a path.
async function downloaded(client, file) {
  const folder = mkdtempSync(join(tmpdir(), "countersign-sdk-"));
  const downloadPath = join(folder, "file");
  try {
    await client.files.download({ file, downloadPath });
    return readFileSync(downloadPath);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// Lets emulated time pass.
async function advance(by) {
  await raw("POST", "/_emulator/clock:advance", { by });
}

// Waits until no delivery is under way.
async function delivered() {
  for (let look = 0; look < LOOKS; look += 1) {
    if ((await raw("GET", "/_emulator")).open === 0) return;
    await new Promise((done) => setTimeout(done, PAUSE));
  }
  throw new Error("deliveries do not end");
}

// Asks until it has come to its end, with 25 emulated minutes before each time.
async function polled(get, isOpen) {
  const answers = [];
  while (answers.length === 0 || isOpen(answers.at(-1))) {
    if (answers.length > 10) throw new Error(`it does not end: ${JSON.stringify(answers)}`);
    await advance("25m");
    answers.push(await get());
  }
  return answers;
}

// A time, which this SDK leaves as text.
function moment(text) {
  return text === undefined ? null : new Date(text).toISOString();
}

// What the SDK throws, and what it says of it.
async function error(call) {
  let answer;
  try {
    answer = await call();
  } catch (thrown) {
    // Batches and operations have errors of another kind than webhooks and interactions.
    const body = thrown.error ?? JSON.parse(thrown.message);
    const said = body.error;
    return {
      exception: thrown.name,
      code: thrown.status,
      text: thrown.message,
      said: said.message,
      reason: said.code,
      cause: thrown.cause?.name ?? null,
      status: said.status ?? null,
      violations: (said.details ?? []).flatMap((detail) => detail.fieldViolations),
    };
  }
  throw new Error(`no error, but ${JSON.stringify(answer)}`);
}

// A field of an answer, without what the SDK says of the response that it came in.
function plain({ sdkHttpResponse, ...answer }) {
  return answer;
}

module.exports = {
  sdk, RECEIVER, client, inBothVersions, raw, content, downloaded, advance, delivered, polled, moment, error, plain,
};

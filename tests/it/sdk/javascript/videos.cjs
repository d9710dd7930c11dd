// Operations of videos, polled through the SDK, which makes none by itself.
const { delivered, downloaded, error, inBothVersions, polled, raw, sdk } = require("./common.cjs");
const { fileName, operation } = require("./video.cjs");

// What the SDK before it made: of each version, the names of the operations.
const MADE = JSON.parse(process.argv[2]);

async function drive(client, version, key) {
  async function get(name) {
    const asked = new sdk.GenerateVideosOperation();
    asked.name = name;
    return client.operations.getVideosOperation({ operation: asked });
  }
  const body = { instances: [{ prompt: "A dog that writes." }], parameters: { sampleCount: 1 } };
  const { name } = await raw("POST", `/${version}/models/veo-3.0-generate-001:predictLongRunning`, body, key);
  const answers = await polled(() => get(name), ({ done }) => !done);
  await delivered();
  const made = [];
  for (const one of MADE[version]) made.push(operation(await get(one)));
  const [video] = answers.at(-1).response.generatedVideos;
  return {
    name,
    downloaded: (await downloaded(client, video)).toString("base64"),
    downloaded_by_name: (await downloaded(client, fileName(name))).toString("base64"),
    polled: answers.map(operation),
    made,
    missing: await error(() => get(`${name}-no-more`)),
  };
}

inBothVersions(drive);

// Videos, through the last SDK that lets the Gemini API make one.
const { RECEIVER, delivered, inBothVersions, polled } = require("./common.cjs");
const { operation } = require("./video.cjs");

async function drive(client, version) {
  function create(what, prompt) {
    const userMetadata = { what, n: 1, snake_case: { camelCase: [1.5, null] } };
    const webhookConfig = { uris: [`${RECEIVER}/dynamic/${version}/${what}`], userMetadata };
    const config = { numberOfVideos: 1, aspectRatio: "16:9", webhookConfig };
    return client.models.generateVideos({ model: "veo-3.0-generate-001", prompt, config });
  }
  async function toItsEnd(o) {
    const created = operation(o);
    const get = async () => operation(await client.operations.getVideosOperation({ operation: o }));
    const answers = await polled(get, ({ done }) => !done);
    await delivered();
    return { created, polled: answers };
  }
  return {
    generated: await toItsEnd(await create("generated", "A cat that reads.")),
    failed: await toItsEnd(await create("failed", "A cat that would [[fail]].")),
  };
}

inBothVersions(drive, "v1beta");

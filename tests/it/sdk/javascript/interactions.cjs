// Interactions in the background, through the SDK.
const { RECEIVER, delivered, error, inBothVersions, polled } = require("./common.cjs");

const TOOL = {
  type: "function",
  name: "get_weather",
  description: "what the weather is like",
  parameters: {
    type: "object",
    properties: { city: { type: "string" }, days: { type: "integer" } },
    required: ["city"],
  },
};

function interaction(i) {
  return {
    id: i.id ?? null,
    status: i.status ?? null,
    model: i.model ?? null,
    agent: i.agent ?? null,
    created: i.created ?? null,
    updated: i.updated ?? null,
    previous_interaction_id: i.previous_interaction_id ?? null,
    steps: i.steps,
    // Where there is none, the SDK for Python says that it is empty.
    output_text: i.output_text ?? "",
    usage: i.usage ?? null,
    errors: i.errors ?? null,
    webhook_config: i.webhook_config ?? null,
  };
}

async function drive(client, version) {
  const { interactions } = client;
  const config = (what) => ({
    uris: [`${RECEIVER}/dynamic/${version}/${what}`],
    user_metadata: { what, n: 1, camelCase: null, nested: { a_b: [1.5, true, "ü"] } },
  });
  const create = (what, input, more = {}) =>
    interactions.create({ model: "gemini-2.5-flash", input, background: true, webhook_config: config(what), ...more });

  async function toItsEnd(i) {
    const isOpen = ({ status }) => status === "queued" || status === "in_progress";
    const answers = await polled(() => interactions.get(i.id), isOpen);
    await delivered();
    return { created: interaction(i), polled: answers.map(interaction) };
  }

  const facts = { completed: await toItsEnd(await create("completed", "Say hello, please.")) };
  const { id } = facts.completed.created;
  facts.with_input = interaction(await interactions.get(id, { include_input: true }));

  facts.asking = await toItsEnd(await create("asking", "Ask get_weather about Paris.", { tools: [TOOL] }));
  const previous_interaction_id = facts.asking.created.id;
  const call = (await interactions.get(previous_interaction_id)).steps.find((step) => step.type === "function_call");
  const result = { type: "function_result", call_id: call.id, name: call.name, result: { temp: 20, sky: "clear" } };
  const answering = await create("answering", [result], { tools: [TOOL], previous_interaction_id });
  facts.answering = await toItsEnd(answering);
  const wrong = { ...result, call_id: "call_of_somebody_else" };
  facts.wrong_answer = await error(() => create("wrong", [wrong], { previous_interaction_id }));

  const failing = [{ type: "text", text: "Be so kind and [[fail]]." }];
  facts.failed = await toItsEnd(await create("failed", failing));

  const agent = "deep-research-pro-preview-12-2025";
  const asked = { agent, input: "Look it up.", background: true, webhook_config: config("agent") };
  facts.agent = await toItsEnd(await interactions.create(asked));

  // Who waits for it has it in the answer, and no event.
  // What else it may say makes no difference, and is not refused.
  const more = {
    cached_content: "cachedContents/1",
    generation_config: { temperature: 0.1 },
    labels: { team: "tests" },
    response_modalities: ["text"],
    service_tier: "flex",
    store: true,
    system_instruction: "Be brief.",
  };
  const now = { model: "gemini-2.5-flash", input: "Now.", webhook_config: config("at_once"), ...more };
  facts.at_once = interaction(await interactions.create(now));

  const cancelled = await create("cancelled", "Take your time.");
  facts.cancelled = {
    created: interaction(cancelled),
    answer: interaction(await interactions.cancel(cancelled.id)),
    polled: [interaction(await interactions.get(cancelled.id))],
  };
  facts.cancelled_again = await error(() => interactions.cancel(cancelled.id));
  await delivered();

  facts.deleted = (await interactions.delete(cancelled.id)) ?? null;
  facts.get_of_deleted = await error(() => interactions.get(cancelled.id));
  return facts;
}

inBothVersions(drive);

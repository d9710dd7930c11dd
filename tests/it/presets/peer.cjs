// Answers an array of deliveries on stdin with what the package of each sender's users says of it.
const { readFileSync } = require("node:fs");
const { OpenAI } = require("openai");
const standard = require("standardwebhooks");
const svix = require("svix");

const PACKAGES = {
  standardwebhooks: (secret, body, headers) => new standard.Webhook(secret).verify(body, headers),
  // It verifies, and leaves it to others to parse.
  svix: (secret, body, headers) => {
    new svix.Webhook(secret).verify(body, headers);
    return JSON.parse(body);
  },
  openai: (secret, body, headers) => new OpenAI({ apiKey: "none" }).webhooks.unwrap(body, headers, secret),
};

async function answer({ package: name, secret, body, headers }) {
  try {
    return { event: await PACKAGES[name](secret, body, headers) };
  } catch (error) {
    return { error: `${error.name}: ${error.message}` };
  }
}

const deliveries = JSON.parse(readFileSync(0, "utf8"));
Promise.all(deliveries.map(answer)).then((answers) => process.stdout.write(JSON.stringify(answers)));

// Answers an array of questions on stdin with what the `standardwebhooks` package says.
const { readFileSync } = require("node:fs");
const { Webhook } = require("standardwebhooks");

function answer(question) {
  const body = Buffer.from(question.body, "base64");
  const webhook = new Webhook(question.secret);
  try {
    if (question.do === "sign") {
      return { signature: webhook.sign(question.id, new Date(question.timestamp * 1000), body) };
    }
    webhook.verify(body, question.headers);
    return { verified: true };
  } catch (error) {
    return { error: `${error.name}: ${error.message}` };
  }
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(answer)));

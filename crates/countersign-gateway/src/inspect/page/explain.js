// Why a request was rejected.

import { ask } from "./api.js";
import { $, element } from "./elements.js";

export async function explain(number) {
  const place = $("detail-findings");
  place.replaceChildren(element("p", {}, "Searching …"));
  try {
    place.replaceChildren(...shown(await ask(`/-/requests/${number}/explanation`)));
  } catch (error) {
    place.replaceChildren(element("p", { class: "bad" }, error.message));
  }
}

function shown(explanation) {
  const { findings, advice, trials, gave_up: gaveUp } = explanation;
  const tried = trials === null ? [] : [`Tried ${trials} signatures${gaveUp ? ", and stopped early: the body is large" : ""}.`];
  const notes = [findings.length ? null : "Nothing was found in the headers.", advice, ...tried].filter(Boolean);
  return [
    element("h3", {}, "Likely causes"),
    element("ol", {}, ...findings.map(finding)),
    ...notes.map((note) => element("p", {}, note)),
  ];
}

const finding = (one) => element("li", {},
  element("p", {}, element("strong", {}, `${one.certainty}: ${one.title}`), " ", element("code", {}, one.code)),
  element("p", {}, one.evidence),
  element("p", {}, one.advice),
);

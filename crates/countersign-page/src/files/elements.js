// What the parts of the page share. Text from outside only ever becomes text nodes.

export const $ = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.map((child) => child ?? ""));
  return made;
}

export const row = (...cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell)));

export const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });

export function took(us) {
  if (us === null || us === undefined) return "";
  if (us < 1000) return `${us} µs`;
  return us < 1_000_000 ? `${(us / 1000).toFixed(1)} ms` : `${(us / 1_000_000).toFixed(1)} s`;
}

export function age(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

export function notice(text) {
  $("notice").textContent = text;
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => { $("notice").textContent = ""; }, 6000);
}

// Adds options that a select does not have yet. The order is that of their arrival.
export function offer(select, values) {
  const known = new Set(Array.from(select.options, (option) => option.value));
  for (const value of values) {
    if (value && !known.has(value)) {
      known.add(value);
      select.append(element("option", { value }, value));
    }
  }
}

export function show(title, facts, body, actions) {
  $("detail-title").textContent = title;
  const pairs = facts.filter(([, value]) => value !== null && value !== undefined && value !== "");
  $("detail-facts").replaceChildren(
    ...pairs.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))]),
  );
  // Only the gateway explains rejections.
  $("detail-findings")?.replaceChildren();
  $("detail-body").hidden = body === undefined || body === null;
  $("detail-body").textContent = body ?? "";
  $("detail-actions").replaceChildren(
    ...actions.map(([label, action]) => element("button", { type: "button", click: () => run(action) }, label)),
  );
  if (!$("detail").open) $("detail").showModal();
}

// Runs what a control asks for, and says how it ended.
export async function run(action) {
  try {
    const said = await action();
    if (said) notice(said);
  } catch (error) {
    notice(error.message);
  }
}

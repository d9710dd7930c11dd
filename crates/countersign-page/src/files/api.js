// Requests to the server of this page.

const KEY = "countersign-token";
let token = sessionStorage.getItem(KEY) ?? "";

export class Unauthorized extends Error {}
export class Failed extends Error {
  constructor(status, text) {
    super(text.trim() || `status ${status}`);
    this.status = status;
  }
}

export function setToken(value) {
  token = value;
  sessionStorage.setItem(KEY, value);
}

export async function ask(path, method = "GET", body = undefined) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const request = { method, headers, cache: "no-store", credentials: "omit", redirect: "error" };
  if (body !== undefined) request.body = JSON.stringify(body);
  const response = await fetch(path, request);
  const text = await response.text();
  if (response.status === 401) throw new Unauthorized(text);
  if (!response.ok) throw new Failed(response.status, explanation(text));
  return (response.headers.get("content-type") ?? "").includes("json") ? JSON.parse(text) : text;
}

// An error is text, or JSON in the form of Google's APIs.
function explanation(text) {
  try {
    return JSON.parse(text).error.message;
  } catch {
    return text;
  }
}

export const segment = encodeURIComponent;

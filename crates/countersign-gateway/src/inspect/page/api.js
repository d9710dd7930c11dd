// Requests to the admin listener that served this page.

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

export async function ask(path, method = "GET") {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const response = await fetch(path, { method, headers, cache: "no-store", credentials: "omit", redirect: "error" });
  const text = await response.text();
  if (response.status === 401) throw new Unauthorized(text);
  if (!response.ok) throw new Failed(response.status, text);
  return (response.headers.get("content-type") ?? "").includes("json") ? JSON.parse(text) : text;
}

export const segment = encodeURIComponent;

// What survives a reload: drafts, parameters, the reader's choices. Never a secret. Keys carry the page's path, so that
// two documents of one origin do not mix.
import type { Row } from "./data.js";

const prefix = `wsrouter ${location.pathname} `;

export function load<T>(key: string, otherwise: T): T {
  try {
    const v = localStorage.getItem(prefix + key);
    return v === null ? otherwise : (JSON.parse(v) as T);
  } catch {
    return otherwise;
  }
}

export function save(key: string, value: unknown): void {
  try {
    if (value === undefined) localStorage.removeItem(prefix + key);
    else localStorage.setItem(prefix + key, JSON.stringify(value));
  } catch {
    // full, or forbidden: the page works without
  }
}

/** Whether what a parameter holds must not be shown, kept or linked. */
export function isSecret(p: Row): boolean {
  return p.in === "subprotocol" || /token|secret|passw|api_?-?key|auth|session|jwt|bearer|credential|ticket|signature/i.test(p.name) || p.type.some((t) => t.text.startsWith("password"));
}

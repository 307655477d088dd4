// Frames as text: UTF-8 is checked as strictly as the server does.
import { byteLength, type Issue, type Json } from "./scan.js";
import { type Envelope, type Node, Schemas } from "./schema.js";
import { validate } from "./validate.js";

/** The text of a frame, or, where it is no UTF-8, what stands before the first bad byte. */
export function decode(bytes: Uint8Array): { text: string; good: boolean } {
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes), good: true };
  } catch {
    let low = 0, high = bytes.length; // the longest good prefix, which may end within a character
    const d = (n: number): string | null => {
      try {
        return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, n), { stream: true });
      } catch {
        return null;
      }
    };
    while (low < high) {
      const mid = Math.ceil((low + high) / 2);
      if (d(mid) === null) high = mid - 1;
      else low = mid;
    }
    return { text: d(low) ?? "", good: false };
  }
}

export function validateBytes(bytes: Uint8Array, plan: Node | null): Issue[] {
  const { text, good } = decode(bytes);
  const issues = validate(text, plan);
  if (good) return issues;
  const end = byteLength(text);
  if (issues[0]?.code === "syntax" && issues[0].at < text.length) {
    for (const i of issues) i.message = i.message.replace("unfinished escape", "unknown escape"); // it went on, with that byte
    return issues;
  }
  return [{ path: "", code: "syntax", message: `invalid UTF-8 at byte ${end}`, params: { offset: end }, at: text.length, end: text.length }];
}

/** The plan of a schema that stands alone, with its $defs. */
export function plan(schema: Json, e: Envelope): Node {
  const named = new Map<string, Json>([["", schema]]);
  const defs = schema instanceof Map ? schema.get("$defs") : undefined;
  if (defs instanceof Map) for (const [name, s] of defs) named.set(name, s);
  return new Schemas(named).message("", e);
}
